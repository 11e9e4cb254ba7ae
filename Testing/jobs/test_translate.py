import errno
import hashlib
import json
import os
import platform
import sys
import threading
import time

import numpy as np
import pytest

from SynthLogic.errors import (
    BundleError,
    Cancelled,
    ConfigError,
    DeviceError,
    InputError,
    OutputError,
    SynthError,
)
from SynthLogic.jobs import (
    Record,
    TranslateRequest,
    read_record,
    record_path,
    rerun,
    translate,
    translate_volume,
)
from SynthLogic.volume import Volume, content_hash, read_volume, write_volume

TO_MR = TranslateRequest(target="MR", device="cpu")
THREE = {"planes": ("axial", "coronal", "sagittal"), "spacing_range_mm": (0.5, 4.0)}


@pytest.fixture
def bundle(tiny, tmp_path):
    return tiny.tiny_bundle(tmp_path / "bundles" / "one")


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "Doe-John-1970"
    folder.mkdir()
    return folder


@pytest.fixture
def ct(tiny, place):
    path = place / "secret-patient.nii.gz"
    write_volume(path, Volume(tiny.ct_like(), tiny.matrix()))
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def bytes_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_writes_image_and_record_and_leaves_the_input_alone(ct, place, bundle):
    before = bytes_of(ct)
    output = place / "mr.nii.gz"
    record = translate(TO_MR, ct, output, bundle=bundle)
    assert bytes_of(ct) == before
    assert names(place) == ["mr.nii.gz", "mr.record.json", "secret-patient.nii.gz"]
    made, source = read_volume(output), read_volume(ct)
    assert made.volume.grid.is_close(source.volume.grid, 1e-6)
    assert made.content_hash == record.output.content_hash
    assert bytes_of(output) == record.output.file_sha256
    assert record.input.content_hash == source.content_hash
    assert read_record(record_path(output)) == record
    assert {"read", "check", "geometry", "intensity", "forward", "restore", "write"} == set(record.timings)
    assert "not for diagnosis" in record.notice


def test_record_names_no_path_patient_user_or_host(ct, place, bundle, tmp_path):
    translate(TO_MR, ct, place / "of-mrs-smith.nii.gz", bundle=bundle)
    text = (place / "of-mrs-smith.record.json").read_text()
    for word in ("secret", "patient", "Doe", "smith", tmp_path.name, "pytest-of", platform.node()):
        assert word not in text
    content = json.loads(text)
    assert content["synthetic"] is True
    assert content["bundle"]["hash"] == bundle.hash
    assert Record.from_json(text).to_json() == text


@pytest.mark.parametrize("ending", [".nii", ".nrrd", ".mha"])
def test_every_format(tiny, tmp_path, bundle, ending):
    source = tmp_path / f"in{ending}"
    write_volume(source, Volume(tiny.ct_like(), tiny.matrix()))
    record = translate(TO_MR, source, tmp_path / f"out{ending}", bundle=bundle)
    assert read_volume(tmp_path / f"out{ending}").content_hash == record.output.content_hash
    assert (tmp_path / "out.record.json").is_file()


def test_48_stored_ways_of_one_scan_on_disk(tiny, tmp_path, bundle):
    ways = tiny.stored_ways(
        Volume(tiny.ct_like((4, 16, 20)), tiny.matrix(rotation=tiny.rotation(20, (1, 0, 2))))
    )
    reference = None
    for n, stored in enumerate(ways[::5]):
        source, output = tmp_path / f"{n}.nrrd", tmp_path / f"{n}.out.nrrd"
        write_volume(source, stored)
        before = bytes_of(source)
        translate(TO_MR, source, output, bundle=bundle)
        assert bytes_of(source) == before
        made = read_volume(output).volume
        assert made.grid.is_close(stored.grid, 1e-6)
        canonical = made.canonical()[0].array
        reference = canonical if reference is None else reference
        assert np.abs(canonical - reference).max() < 1e-3 * np.ptp(reference)


def test_parent_transform_turns_the_scan_but_not_the_output(tiny, bundle):
    volume = Volume(tiny.ct_like((24, 24, 24)), tiny.matrix((2.0, 2.0, 2.0)))
    parent = np.eye(4)
    parent[:3, :3] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    turned = volume.under(parent)
    request = TO_MR.model_copy(update={"parent_transform": tuple(map(tuple, parent.tolist()))})
    below, record = translate_volume(request, scan_of(volume), bundle=bundle)
    hardened, record_of_hardened = translate_volume(TO_MR, scan_of(turned), bundle=bundle)
    plain, _ = translate_volume(TO_MR, scan_of(volume), bundle=bundle)
    assert np.array_equal(below.volume.array, hardened.volume.array)
    assert below.volume.grid.is_close(volume.grid, 1e-12)
    assert record.check == record_of_hardened.check
    assert not np.array_equal(below.volume.array, plain.volume.array)


def scan_of(volume, modality=None):
    from SynthLogic.volume import Scan, ScanMeta

    return Scan(volume, ScanMeta("file", "NRRD", modality, volume.array.dtype.name), content_hash(volume))


def test_mr_to_ct_is_int16(tiny, tmp_path):
    bundle = tiny.tiny_bundle(tmp_path / "b", "MR", "CT")
    source = tmp_path / "mr.nrrd"
    write_volume(source, Volume(tiny.mr_like(), tiny.matrix()))
    translate(TranslateRequest(target="CT"), source, tmp_path / "ct.nii", bundle=bundle)
    assert read_volume(tmp_path / "ct.nii").volume.array.dtype == np.int16


def test_disagreement_is_written_beside(tiny, ct, place, tmp_path):
    bundle = tiny.tiny_bundle(tmp_path / "b", spatial=THREE)
    request = TO_MR.model_copy(update={"planes": THREE["planes"], "disagreement": True})
    record = translate(request, ct, place / "mr.nii.gz", bundle=bundle)
    extra = read_volume(place / "mr.disagreement.nii.gz")
    assert extra.content_hash == record.output.disagreement_content_hash
    assert extra.volume.array.max() > 0
    with pytest.raises(InputError, match="--planes"):
        translate(TO_MR.model_copy(update={"disagreement": True}), ct, place / "x.nii.gz", bundle=bundle)
    assert "x.nii.gz" not in names(place)


def test_installed_bundles_are_found_and_the_choice_is_told(tiny, tmp_path, ct, place, monkeypatch):
    monkeypatch.setenv("CROSSMODALSYNTH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("SynthLogic.bundles.store.shipped_folder", lambda: tmp_path / "none-shipped")
    made = tiny.tiny_bundle(tmp_path / "home" / "bundles" / "tiny-ct-to-mr")
    record = translate(TO_MR.model_copy(update={"model": "tiny-ct-to-mr"}), ct, place / "a.nrrd")
    assert record.bundle.hash == made.hash
    assert "asked for" in record.choice
    assert "chosen" in translate(TO_MR, ct, place / "b.nrrd").choice
    again = rerun(place / "a.record.json", ct, place / "c.nrrd")
    assert again.identical
    with pytest.raises(BundleError):
        translate(TO_MR.model_copy(update={"model": "nobody"}), ct, place / "d.nrrd")


# -- rerun --------------------------------------------------------------------------------------------------


def test_rerun_gives_the_same_file_bit_by_bit(ct, place, bundle):
    translate(TO_MR.model_copy(update={"seed": 7}), ct, place / "a.nii.gz", bundle=bundle)
    again = rerun(place / "a.record.json", ct, place / "b.nii.gz", bundle=bundle)
    assert again.identical
    assert again.differences == ()
    assert bytes_of(place / "a.nii.gz") == bytes_of(place / "b.nii.gz")
    assert again.record.seed == 7


def test_rerun_says_that_memory_ran_out_then(ct, place, bundle):
    record = translate(TO_MR, ct, place / "a.nrrd", bundle=bundle)
    old = record.model_copy(update={"warnings": ("memory ran out on cpu, batch 8 -> 4",)})
    again = rerun(old, ct, place / "b.nrrd", bundle=bundle)
    assert again.differences == ("then, memory ran out on cpu, batch 8 -> 4",)


def test_rerun_of_thick_coronal_slices(tiny, tmp_path, bundle):
    source = tmp_path / "in.nrrd"
    write_volume(source, Volume(tiny.ct_like((24, 8, 28)), tiny.matrix((2.0, 9.0, 2.0))))
    record = translate(TO_MR, source, tmp_path / "a.nrrd", bundle=bundle)
    assert record.planes == ("coronal",)
    assert rerun(tmp_path / "a.record.json", source, tmp_path / "b.nrrd", bundle=bundle).identical


def test_rerun_refuses_another_scan_bundle_or_device(tiny, ct, place, bundle, tmp_path):
    record = translate(TO_MR, ct, place / "a.nrrd", bundle=bundle)
    other = place / "other.nrrd"
    write_volume(other, Volume(tiny.ct_like(seed=4), tiny.matrix()))
    with pytest.raises(InputError, match="not the scan of the record"):
        rerun(record, other, place / "b.nrrd", bundle=bundle)
    with pytest.raises(BundleError, match="not the one of the record"):
        rerun(record, ct, place / "b.nrrd", bundle=tiny.tiny_bundle(tmp_path / "c", title="Other"))
    elsewhere = record.model_copy(update={"device_name": "Abacus 3000"})
    with pytest.raises(ConfigError, match="Abacus"):
        rerun(elsewhere, ct, place / "b.nrrd", bundle=bundle)
    gpu = record.model_copy(update={"device": "cuda:77"})
    with pytest.raises(DeviceError):
        rerun(gpu, ct, place / "b.nrrd", bundle=bundle)
    assert "b.nrrd" not in names(place)
    assert any(
        "Abacus" in d for d in rerun(elsewhere, ct, place / "b.nrrd", bundle=bundle, force=True).differences
    )


def test_altered_or_foreign_record_is_refused(ct, place, bundle):
    translate(TO_MR, ct, place / "a.nrrd", bundle=bundle)
    path = place / "a.record.json"
    path.write_text(path.read_text().replace('"seed"', '"sead"', 1))
    with pytest.raises(ConfigError, match=r"sead|seed"):
        rerun(path, ct, place / "b.nrrd", bundle=bundle)
    with pytest.raises(ConfigError, match="cannot be read"):
        rerun(place / "none.record.json", ct, place / "b.nrrd", bundle=bundle)


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
