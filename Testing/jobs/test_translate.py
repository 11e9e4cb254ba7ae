import hashlib
import json
import platform

import numpy as np
import pytest

from SynthLogic.errors import (
    BundleError,
    ConfigError,
    DeviceError,
    InputError,
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
