"""Files as a user has them: what is written comes back, and what is broken is refused in one sentence."""

import gzip
import hashlib
import os
import struct
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from SynthLogic.errors import InputError, OutputError
from SynthLogic.volume import Volume, check_writable, content_hash, read_volume, write_volume

ENDINGS = [".nii", ".nii.gz", ".nrrd", ".mha"]
MARK = "SYNTHETIC - not for diagnosis"


@pytest.fixture(autouse=True)
def _silent(capfd):
    """ITK and its libraries say nothing by themselves."""
    yield
    said = capfd.readouterr()
    assert said.err == ""
    assert said.out == ""


def refused(path: Path, *words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_volume(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path.parent) not in message
    for word in words:
        assert word in message


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


def test_nifti_2_and_big_endian(tmp_path, make_volume):
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


# --- broken input


def test_missing_empty_and_unknown(tmp_path):
    refused(tmp_path / "none.nii", "does not exist")
    refused(tmp_path / "none.xyz", "does not exist")
    (tmp_path / "scan.png").write_bytes(b"123")
    refused(tmp_path / "scan.png", ".nii.gz", "DICOM")
    refused(tmp_path, "no DICOM images")
    for ending in ENDINGS:
        path = tmp_path / f"empty{ending}"
        path.touch()
        refused(path, "is empty")


@pytest.mark.parametrize("ending", ENDINGS)
def test_rubbish(tmp_path, ending):
    path = tmp_path / f"scan{ending}"
    for rubbish in (
        b"x",
        b"not an image\n" * 500,
        np.random.default_rng(0).bytes(5000),
        b"\x1f\x8b" + b"\0" * 600,
    ):
        path.write_bytes(rubbish)
        refused(path)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.6, 0.97])
@pytest.mark.parametrize("compress", [False, True])
def test_truncated(tmp_path, ending, kept, compress):
    values = np.random.default_rng(0).integers(-1000, 1000, (12, 20, 30)).astype(np.int16)
    path = tmp_path / f"scan{ending}"
    sitk.WriteImage(sitk.GetImageFromArray(values), str(path), compress)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    refused(path, "truncated")
    path.write_bytes(whole[:-1])
    refused(path, "truncated")


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
@pytest.mark.parametrize("place", [0.5, -6])
def test_packed_voxels_that_changed(tmp_path, ending, dtype, place):
    values = np.random.default_rng(0).integers(-1000, 1000, (12, 20, 30)).astype(dtype)
    path = tmp_path / f"scan{ending}"
    place = -3 if place == -6 and ending == ".mha" else place  # zlib ends with its checksum
    sitk.WriteImage(sitk.GetImageFromArray(values), str(path), True)
    content = bytearray(path.read_bytes())
    content[place if place < 0 else int(len(content) * place)] ^= 0x40
    path.write_bytes(content)
    refused(path, "damaged")


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("slices", [63, 64, 65, 128, 129])
def test_voxels_that_pack_to_almost_nothing(tmp_path, ending, slices):
    array = np.zeros((slices, 256, 128), np.int16)
    array[0, 0, 0] = 1
    path = tmp_path / f"scan{ending}"
    sitk.WriteImage(sitk.GetImageFromArray(array), str(path), True)
    assert path.stat().st_size < 100_000
    np.testing.assert_array_equal(read_volume(path).volume.array, array)


def test_a_compressed_mha_that_does_not_say_its_size(tmp_path, make_volume):
    volume = make_volume()
    path = tmp_path / "scan.mha"
    write_volume(path, volume)
    head, _, rest = path.read_bytes().partition(b"CompressedDataSize")
    whole = head + rest.partition(b"\n")[2]
    path.write_bytes(whole[: len(whole) * 3 // 4])
    refused(path, "truncated")


def test_a_gzip_of_several_members_is_read(tmp_path, make_volume):
    write_volume(tmp_path / "plain.nii", make_volume())
    raw = (tmp_path / "plain.nii").read_bytes()
    (tmp_path / "scan.nii.gz").write_bytes(gzip.compress(raw[:400]) + gzip.compress(raw[400:]))
    np.testing.assert_array_equal(read_volume(tmp_path / "scan.nii.gz").volume.array, make_volume().array)
    (tmp_path / "short.nii.gz").write_bytes(gzip.compress(raw[:400]) + gzip.compress(raw[400:-9]))
    refused(tmp_path / "short.nii.gz", "truncated")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_no_numbers(tmp_path, make_volume, ending, bad):
    volume = make_volume(dtype=np.float32)
    array = volume.array.copy()
    array[3, 2, 1] = bad
    write_volume(tmp_path / f"scan{ending}", volume.with_array(array))
    refused(tmp_path / f"scan{ending}", "NaN or infinite", "replace")


@pytest.mark.parametrize("ending", ENDINGS)
def test_not_one_scalar_volume(tmp_path, ending):
    path = tmp_path / f"scan{ending}"
    values = np.zeros((3, 4, 5, 6), np.float32)
    for image in (
        sitk.GetImageFromArray(values, isVector=False),
        sitk.GetImageFromArray(values, isVector=True),
        sitk.GetImageFromArray(values[..., :3].astype(np.uint8), isVector=True),
        sitk.GetImageFromArray(values[0, 0]),
    ):
        sitk.WriteImage(image, str(path))
        refused(path, "three-dimensional")


def test_complex_numbers(tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.zeros((3, 4, 5), np.complex64), np.eye(4)), tmp_path / "scan.nii")
    refused(tmp_path / "scan.nii", "complex")


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_impossible_spacing(tmp_path, make_volume, bad):
    write_volume(tmp_path / "scan.nii", make_volume())
    raw = bytearray((tmp_path / "scan.nii").read_bytes())
    raw[84:88] = struct.pack("<f", bad)
    (tmp_path / "scan.nii").write_bytes(raw)
    refused(tmp_path / "scan.nii", "spacing")
    for ending, old in ((".nrrd", b"(0,1,0)"), (".mha", b"ElementSpacing = 1 1 1")):
        path = tmp_path / f"scan{ending}"
        sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, 4, 5), np.int16)), str(path))
        new = {".nrrd": f"(0,{bad},0)", ".mha": f"ElementSpacing = 1 {bad} 1"}[ending]
        raw = path.read_bytes()
        assert old in raw
        path.write_bytes(raw.replace(old, new.encode()))
        refused(path, "spacing")


def test_sheared_axes(tmp_path, make_volume):
    shear = np.eye(4)
    shear[0, 1] = 0.2
    sheared = make_volume().under(shear)
    image = nibabel.Nifti1Image(sheared.array.T, None)
    image.set_sform(sheared.ijk_to_ras, 1)
    nibabel.save(image, tmp_path / "scan.nii.gz")
    refused(tmp_path / "scan.nii.gz", "sheared", "resample")
    for ending in ENDINGS:
        with pytest.raises(InputError, match="resample it"):
            write_volume(tmp_path / f"out{ending}", sheared)
    assert os.listdir(tmp_path) == ["scan.nii.gz"]
    image = sitk.GetImageFromArray(make_volume().array)
    image.SetDirection((1, 0.2, 0, 0, 1, 0, 0, 0, 1))
    for ending in (".nrrd", ".mha"):
        sitk.WriteImage(image, str(tmp_path / f"scan{ending}"))
        refused(tmp_path / f"scan{ending}", "sheared", "resample")


def test_two_voxel_sizes_in_one_nifti(tmp_path, make_volume):
    write_volume(tmp_path / "scan.nii", make_volume())
    raw = bytearray((tmp_path / "scan.nii").read_bytes())
    raw[84:88] = struct.pack("<f", 1.5 * struct.unpack("<f", raw[84:88])[0])
    (tmp_path / "scan.nii").write_bytes(raw)
    refused(tmp_path / "scan.nii", "two different voxel sizes")


def test_voxels_in_another_file(tmp_path):
    (tmp_path / "scan.nrrd").write_text(
        "NRRD0004\ntype: short\ndimension: 3\nsizes: 1 1 1\nencoding: raw\ndata file: other.raw\n\n"
    )
    refused(tmp_path / "scan.nrrd", "another file")
    (tmp_path / "scan.mha").write_text(
        "NDims = 3\nDimSize = 1 1 1\nElementSpacing = 1 1 1\n"
        "ElementType = MET_SHORT\nElementDataFile = other.raw\n"
    )
    refused(tmp_path / "scan.mha", "another file")


def test_a_file_that_may_not_be_opened(tmp_path, make_volume, monkeypatch):
    write_volume(tmp_path / "scan.nii", make_volume())

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    refused(tmp_path / "scan.nii", "Permission denied")


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


def test_real_files_keep_their_place(real_data):
    for name in ("cardiac_mr_sunnybrook/SC-HF-I-1_ED.nii.gz", "ct_abdomen_chaos/ct.nii.gz"):
        scan = read_volume(real_data / name)
        image = nibabel.load(real_data / name)
        np.testing.assert_allclose(scan.volume.ijk_to_ras, image.affine, atol=1e-4)
        np.testing.assert_array_equal(scan.volume.array, np.asarray(image.dataobj).T)
    refused(real_data / "cardiac_mr_sunnybrook" / "SC-HF-I-1_cine4d.nii.gz", "256 x 256 x 12 x 20")
