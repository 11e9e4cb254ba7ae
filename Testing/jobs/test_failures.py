"""What cannot be done is said in one sentence, and nothing is left behind."""

import errno
import json
import os
import sys
import threading
import time

import numpy as np
import pytest

from SynthLogic.errors import BundleError, Cancelled, ConfigError, InputError, OutputError, SynthError
from SynthLogic.jobs import TranslateRequest, translate
from SynthLogic.volume import Volume, write_volume

TO_MR = TranslateRequest(target="MR", device="cpu")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# -- nothing is left after a failure ------------------------------------------------------------------------


@pytest.mark.parametrize("slow", ["read", "check", "forward", "write"])
def test_cancel_within_two_seconds_leaves_nothing(tiny, ct, place, bundle, monkeypatch, slow):
    from SynthLogic.networks.resnet_generator import ResnetGenerator

    module = sys.modules["SynthLogic.jobs.translate"]
    started = threading.Event()
    originals = {"read": module.read_volume, "check": module.check_scan, "write": module.write_volume}

    def slowly(function):
        def run(*arguments, **options):
            started.set()
            if slow == "write":
                function(*arguments, **options)
            time.sleep(4)
            return function(*arguments, **options)

        return run

    if slow == "forward":
        forward = ResnetGenerator.forward

        def in_steps(self, x):
            started.set()
            for _ in range(40):
                time.sleep(0.1)
                self.encoder[0](x)
            return forward(self, x)

        monkeypatch.setattr(ResnetGenerator, "forward", in_steps)
    else:
        target = {"read": "read_volume", "check": "check_scan", "write": "write_volume"}[slow]
        monkeypatch.setattr(module, target, slowly(originals[slow]))
    before = names(place)
    asked: list[float] = []

    def cancel():
        if started.is_set() and not asked:
            asked.append(time.monotonic())
        return bool(asked)

    with pytest.raises(Cancelled):
        translate(TO_MR, ct, place / "mr.nii.gz", cancel=cancel, bundle=bundle)
    assert time.monotonic() - asked[0] < 2
    assert names(place) == before


def test_full_disk_while_writing(ct, place, bundle, monkeypatch):
    import SimpleITK as sitk

    def full(self, image):
        raise RuntimeError("write failed")

    old = place / "mr.nrrd"
    translate(TO_MR, ct, old, bundle=bundle)
    before = {name: (place / name).read_bytes() for name in names(place)}
    monkeypatch.setattr(sitk.ImageFileWriter, "Execute", full)
    with pytest.raises(OutputError, match="cannot be written"):
        translate(TO_MR, ct, old, bundle=bundle)
    assert {name: (place / name).read_bytes() for name in names(place)} == before


@pytest.mark.parametrize("which", ["mr.nrrd", "mr.record.json"])
def test_files_appear_together_or_not_at_all(ct, place, bundle, monkeypatch, which):
    translate(TO_MR, ct, place / "mr.nrrd", bundle=bundle)
    before = {name: (place / name).read_bytes() for name in names(place)}
    replace = os.replace

    def failing(source, target):
        if (
            os.path.basename(target) == which
            and os.path.dirname(target) == str(place)
            and "before" not in str(source)
        ):
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    request = TO_MR.model_copy(update={"seed": 3})
    with pytest.raises(OutputError, match="No space left"):
        translate(request, ct, place / "mr.nrrd", bundle=bundle)
    assert {name: (place / name).read_bytes() for name in names(place)} == before


def test_too_little_space_is_seen_before_anything_is_computed(ct, place, bundle, monkeypatch):
    import shutil

    import SynthLogic.inference.engine as engine

    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1))
    monkeypatch.setattr(engine.Engine, "run", lambda *a, **k: pytest.fail("computed"))
    with pytest.raises(OutputError, match="MB free"):
        translate(TO_MR, ct, place / "mr.nrrd", bundle=bundle)
    assert names(place) == ["secret-patient.nii.gz"]


def test_outputs_that_must_not_be_written(ct, place, bundle, tmp_path):
    for output, text in [
        (ct, "input itself"),
        (place / "mr.png", "no known format"),
        (place / "nowhere" / "mr.nrrd", "does not exist"),
    ]:
        with pytest.raises(OutputError, match=text):
            translate(TO_MR, ct, output, bundle=bundle)
    link = place / "link.nii.gz"
    os.link(ct, link)
    with pytest.raises(OutputError, match="input itself"):
        translate(TO_MR, ct, link, bundle=bundle)
    with pytest.raises(OutputError, match="DICOM files"):
        translate(TO_MR, place, place / "mr.nrrd", bundle=bundle)
    (place / "mr.record.json").mkdir()
    with pytest.raises(OutputError, match="taken"):
        translate(TO_MR, ct, place / "mr.nrrd", bundle=bundle)


def test_unwritable_folder(ct, tmp_path, bundle, monkeypatch):
    import tempfile

    def denied(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "mkstemp", denied)
    with pytest.raises(OutputError, match="Permission denied"):
        translate(TO_MR, ct, tmp_path / "mr.nrrd", bundle=bundle)


# -- bad input ----------------------------------------------------------------------------------------------


def bad_inputs(tiny, folder):
    import SimpleITK as sitk

    good = tiny.ct_like()
    flawed = good.astype(np.float32)
    flawed[3, 3, 3] = np.nan
    write_volume(folder / "nan.nrrd", Volume(flawed, tiny.matrix()))
    write_volume(folder / "constant.nrrd", Volume(np.full_like(good, 30), tiny.matrix()))
    write_volume(folder / "mr.nrrd", Volume(tiny.mr_like(), tiny.matrix()))
    write_volume(folder / "shifted.nrrd", Volume((good + 1024).clip(0), tiny.matrix()))
    sitk.WriteImage(sitk.Image([8, 8, 8, 3], sitk.sitkInt16), str(folder / "four.nrrd"))
    sitk.WriteImage(sitk.Image([8, 8, 8], sitk.sitkVectorUInt8, 3), str(folder / "colour.nrrd"))
    (folder / "empty.nrrd").write_bytes(b"")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nan", "NaN"),
        ("constant", "no image"),
        ("mr", "a CT is needed"),
        ("shifted", "HU offset.*subtract 1024"),
        ("four", "dimension"),
        ("colour", "per voxel"),
        ("empty", "empty"),
        ("missing", "does not exist"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_written(tiny, tmp_path, bundle, name, text):
    folder = tmp_path / "in"
    folder.mkdir()
    bad_inputs(tiny, folder)
    before = names(folder)
    with pytest.raises(SynthError, match=text) as caught:
        translate(
            TO_MR.model_copy(update={"force": True}),
            folder / f"{name}.nrrd",
            folder / "out.nrrd",
            bundle=bundle,
        )
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    assert names(folder) == before


def test_bundle_of_the_wrong_direction_or_altered(tiny, ct, place, bundle):
    with pytest.raises(BundleError, match="MR from CT"):
        translate(TranslateRequest(target="CT"), ct, place / "x.nrrd", bundle=bundle)
    (bundle.folder / "LICENSE").write_text("other")
    with pytest.raises(BundleError, match="SHA-256"):
        translate(TO_MR, ct, place / "x.nrrd", bundle=bundle)
    assert names(place) == ["secret-patient.nii.gz"]


def test_scan_outside_the_coverage_needs_force(tiny, ct, place, tmp_path):
    bundle = tiny.tiny_bundle(tmp_path / "b", coverage={"field_of_view_mm": (200.0, 500.0)})
    with pytest.raises(InputError, match=r"200 to 500 mm.*--force"):
        translate(TO_MR, ct, place / "mr.nrrd", bundle=bundle)
    record = translate(TO_MR.model_copy(update={"force": True}), ct, place / "mr.nrrd", bundle=bundle)
    assert record.check.coverage == "outside"
    assert any("200 to 500" in warning for warning in record.warnings)


def test_request_is_frozen_json_that_refuses_what_it_does_not_know():
    request = TranslateRequest(
        target="CT", planes=("axial", "coronal"), parent_transform=tuple(map(tuple, np.eye(4)))
    )
    assert TranslateRequest.from_json(request.to_json()) == request
    for change in (
        {"path": "x"},
        {"model": "../../etc"},
        {"seed": -1},
        {"target": "PET"},
        {"device": "/dev/x"},
    ):
        with pytest.raises(ConfigError):
            TranslateRequest.from_json(json.dumps({"target": "MR", **change}))
    with pytest.raises(ConfigError):
        TranslateRequest.from_json("{")
