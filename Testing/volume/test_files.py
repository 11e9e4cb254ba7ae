"""Files as a user has them: what is written comes back."""

import gzip
import hashlib
import os
import struct
import subprocess
import sys

import nibabel
import numpy as np
import pytest

from SynthLogic.errors import OutputError
from SynthLogic.volume import Volume, check_writable, content_hash, read_volume, write_volume

ENDINGS = [".nii", ".nii.gz", ".nrrd", ".mha"]
MARK = "SYNTHETIC - not for diagnosis"
pytestmark = pytest.mark.usefixtures("silent")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32])
def test_voxels_and_matrix_come_back(tmp_path, make_volume, ending, dtype):
    volume = make_volume(dtype=dtype)
    path = tmp_path / f"scan{ending}"
    write_volume(path, volume, MARK)
    scan = read_volume(path)
    assert scan.volume.array.dtype == dtype
    np.testing.assert_array_equal(scan.volume.array, volume.array)
    tolerance = 1e-5 if ending.startswith(".nii") else 1e-9
    np.testing.assert_allclose(scan.volume.ijk_to_ras, volume.ijk_to_ras, rtol=1e-6, atol=tolerance)
    assert scan.volume.grid.is_close(volume.grid)
    assert scan.content_hash == content_hash(volume)
    assert scan.meta.kind == "file"
    assert scan.meta.dtype == np.dtype(dtype).name
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_way_of_storing_survives(tmp_path, make_volume, stored_ways, ending):
    path = tmp_path / f"scan{ending}"
    for stored in list(stored_ways(make_volume()))[::5]:
        write_volume(path, stored)
        volume = read_volume(path).volume
        np.testing.assert_array_equal(volume.array, stored.array)
        assert volume.grid.is_close(stored.grid)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_single_slice_and_upper_case(tmp_path, make_volume, ending):
    volume = make_volume((1, 6, 7))
    path = tmp_path / f"SCAN{ending.upper()}"
    write_volume(path, volume)
    assert read_volume(path).volume.grid.is_close(volume.grid)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_nifti_forms_agree_and_the_mark_is_in_descrip(tmp_path, make_volume, stored_ways, ending):
    for number, volume in enumerate(list(stored_ways(make_volume()))[::7]):
        path = tmp_path / f"scan{number}{ending}"
        write_volume(path, volume, MARK)
        image = nibabel.load(path)
        assert image.header["descrip"].item().decode() == MARK
        assert image.header["sform_code"] > 0
        np.testing.assert_allclose(image.get_qform(), image.get_sform(), atol=1e-4)
        np.testing.assert_allclose(image.affine, volume.ijk_to_ras, atol=1e-4)
        np.testing.assert_array_equal(np.asarray(image.dataobj).T, volume.array)


def test_a_long_mark_is_cut_and_other_letters_replaced(tmp_path, make_volume):
    write_volume(tmp_path / "scan.nii", make_volume(), "é" + "x" * 100)
    text = nibabel.load(tmp_path / "scan.nii").header["descrip"].item().decode()
    assert text == "?" + "x" * 78


@pytest.mark.parametrize("ending", [".nrrd", ".mha"])
def test_the_mark_is_in_the_comment(tmp_path, make_volume, ending):
    path = tmp_path / f"scan{ending}"
    write_volume(path, make_volume(), MARK)
    field = b"Comment:=" if ending == ".nrrd" else b"Comment = "
    assert field + MARK.encode() + b"\n" in path.read_bytes()[:2000]


def test_the_hash_names_content_not_files(tmp_path, make_volume):
    volume = make_volume()
    hashes = set()
    for ending in ENDINGS:
        write_volume(tmp_path / f"scan{ending}", volume, ending)
        hashes.add(read_volume(tmp_path / f"scan{ending}").content_hash)
    assert hashes == {content_hash(volume)}
    assert content_hash(volume.with_array(volume.array.astype(np.int32))) in hashes
    changed = volume.array.copy()
    changed[2, 3, 4] += 1
    moved = volume.ijk_to_ras.copy()
    moved[0, 3] += 0.5
    reshaped = volume.array.reshape(6, 5, 7)
    for other in (
        volume.with_array(changed),
        Volume(volume.array, moved),
        Volume(reshaped, volume.ijk_to_ras),
    ):
        assert content_hash(other) not in hashes


def test_blocks_of_a_large_file_join(tmp_path, monkeypatch):
    monkeypatch.setattr("SynthLogic.volume.write._BLOCK", 5000)
    values = np.random.default_rng(0).integers(-1000, 1000, (20, 33, 47)).astype(np.int16)
    write_volume(tmp_path / "scan.nii.gz", Volume(values, np.eye(4)))
    with gzip.open(tmp_path / "scan.nii.gz") as stream:
        assert len(stream.read()) == 352 + values.nbytes
    np.testing.assert_array_equal(read_volume(tmp_path / "scan.nii.gz").volume.array, values)
    np.testing.assert_array_equal(np.asarray(nibabel.load(tmp_path / "scan.nii.gz").dataobj).T, values)


def test_reading_leaves_the_file_alone(tmp_path, make_volume):
    path = tmp_path / "scan.nii.gz"
    write_volume(path, make_volume())
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    array = read_volume(path).volume.array
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0, 0] = 1
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before


def test_float64_becomes_float32_and_scaled_integers_are_scaled(tmp_path, make_volume):
    volume = make_volume(dtype=np.float64)
    write_volume(tmp_path / "scan.nrrd", volume)
    assert read_volume(tmp_path / "scan.nrrd").volume.array.dtype == np.float32
    image = nibabel.Nifti1Image(volume.array.T.astype(np.int16), volume.ijk_to_ras)
    image.header.set_slope_inter(0.5, -3)
    nibabel.save(image, tmp_path / "scaled.nii")
    raw = bytearray((tmp_path / "scaled.nii").read_bytes())
    raw[112:120] = struct.pack("<2f", 0.5, -3)
    raw[352:] = volume.array.astype("<i2").tobytes()
    (tmp_path / "scaled.nii").write_bytes(raw)
    scaled = read_volume(tmp_path / "scaled.nii").volume.array
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled, volume.array * 0.5 - 3)


def test_nifti_2_and_big_endian(refused, tmp_path, make_volume):
    volume = make_volume()
    nibabel.save(nibabel.Nifti2Image(volume.array.T, volume.ijk_to_ras), tmp_path / "two.nii")
    refused(tmp_path / "two.nii", "NIfTI-2", "save it as")
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    nibabel.save(nibabel.Nifti1Image(volume.array.T, volume.ijk_to_ras, header), tmp_path / "big.nii")
    assert (tmp_path / "big.nii").read_bytes()[:4] == struct.pack(">i", 348)
    np.testing.assert_array_equal(read_volume(tmp_path / "big.nii").volume.array, volume.array)


def test_a_trailing_axis_of_one_is_no_fourth_dimension(tmp_path, make_volume):
    volume = make_volume()
    nibabel.save(nibabel.Nifti1Image(volume.array.T[..., None], volume.ijk_to_ras), tmp_path / "scan.nii.gz")
    np.testing.assert_array_equal(read_volume(tmp_path / "scan.nii.gz").volume.array, volume.array)
    assert read_volume(tmp_path / "scan.nii.gz").volume.grid.is_close(volume.grid)


def test_a_nifti_without_orientation_is_noted(tmp_path, make_volume):
    image = nibabel.Nifti1Image(make_volume().array.T, None)
    image.header["sform_code"] = image.header["qform_code"] = 0
    nibabel.save(image, tmp_path / "scan.nii")
    assert "does not say how" in read_volume(tmp_path / "scan.nii").meta.notes[0]


# --- failing output


def test_output_that_cannot_be(tmp_path, make_volume):
    (tmp_path / "folder.nii").mkdir()
    for name, words in (
        ("scan.xyz", "no known format"),
        ("scan", "no known format"),
        ("nowhere/scan.nii", "does not exist"),
        ("folder.nii", "is a folder"),
    ):
        with pytest.raises(OutputError, match=words):
            check_writable(tmp_path / name)
        with pytest.raises(OutputError, match=words):
            write_volume(tmp_path / name, make_volume())
    assert os.listdir(tmp_path) == ["folder.nii"]


def test_a_folder_that_may_not_be_written(tmp_path, make_volume, monkeypatch):
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("SynthLogic.volume.write.tempfile.mkstemp", denied)
    with pytest.raises(OutputError, match=r"scan\.nii.*Permission denied.*another folder"):
        write_volume(tmp_path / "scan.nii", make_volume())


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_after_a_failure_all_is_as_before(tmp_path, make_volume, monkeypatch, ending, failure):
    path = tmp_path / f"scan{ending}"
    path.write_bytes(b"precious")

    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr("SynthLogic.volume.write.os.replace", fail)
    with pytest.raises(OutputError if isinstance(failure, OSError) else KeyboardInterrupt):
        write_volume(path, make_volume())
    assert path.read_bytes() == b"precious"
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has no limit on a process's file size to play a full disk"
)
def test_a_full_disk(tmp_path):
    program = f"""
import resource, signal, sys
import numpy as np
from SynthLogic.errors import OutputError
from SynthLogic.volume import Volume, write_volume
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
noise = np.random.default_rng(0).integers(-30000, 30000, (30, 40, 50)).astype(np.int16)
for ending in {ENDINGS!r}:
    try:
        write_volume({str(tmp_path)!r} + "/scan" + ending, Volume(noise, np.eye(4)))
    except OutputError as error:
        assert "cannot be written" in str(error), error
    else:
        sys.exit("written: " + ending)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert os.listdir(tmp_path) == []


def test_real_files_keep_their_place(refused, real_data):
    for name in ("cardiac_mr_sunnybrook/SC-HF-I-1_ED.nii.gz", "ct_abdomen_chaos/ct.nii.gz"):
        scan = read_volume(real_data / name)
        image = nibabel.load(real_data / name)
        np.testing.assert_allclose(scan.volume.ijk_to_ras, image.affine, atol=1e-4)
        np.testing.assert_array_equal(scan.volume.array, np.asarray(image.dataobj).T)
    refused(real_data / "cardiac_mr_sunnybrook" / "SC-HF-I-1_cine4d.nii.gz", "256 x 256 x 12 x 20")
