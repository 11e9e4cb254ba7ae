"""Files that are not what they seem are refused in one sentence."""

import gzip
import os
import struct
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from SynthLogic.errors import InputError
from SynthLogic.volume import read_volume, write_volume

ENDINGS = [".nii", ".nii.gz", ".nrrd", ".mha"]
pytestmark = pytest.mark.usefixtures("silent")


def test_missing_empty_and_unknown(refused, tmp_path):
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
def test_rubbish(refused, tmp_path, ending):
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
def test_truncated(refused, tmp_path, ending, kept, compress):
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
def test_packed_voxels_that_changed(refused, tmp_path, ending, dtype, place):
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


def test_a_compressed_mha_that_does_not_say_its_size(refused, tmp_path, make_volume):
    volume = make_volume()
    path = tmp_path / "scan.mha"
    write_volume(path, volume)
    head, _, rest = path.read_bytes().partition(b"CompressedDataSize")
    whole = head + rest.partition(b"\n")[2]
    path.write_bytes(whole[: len(whole) * 3 // 4])
    refused(path, "truncated")


def test_a_gzip_of_several_members_is_read(refused, tmp_path, make_volume):
    write_volume(tmp_path / "plain.nii", make_volume())
    raw = (tmp_path / "plain.nii").read_bytes()
    (tmp_path / "scan.nii.gz").write_bytes(gzip.compress(raw[:400]) + gzip.compress(raw[400:]))
    np.testing.assert_array_equal(read_volume(tmp_path / "scan.nii.gz").volume.array, make_volume().array)
    (tmp_path / "short.nii.gz").write_bytes(gzip.compress(raw[:400]) + gzip.compress(raw[400:-9]))
    refused(tmp_path / "short.nii.gz", "truncated")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_no_numbers(refused, tmp_path, make_volume, ending, bad):
    volume = make_volume(dtype=np.float32)
    array = volume.array.copy()
    array[3, 2, 1] = bad
    write_volume(tmp_path / f"scan{ending}", volume.with_array(array))
    refused(tmp_path / f"scan{ending}", "NaN or infinite", "replace")


@pytest.mark.parametrize("ending", ENDINGS)
def test_not_one_scalar_volume(refused, tmp_path, ending):
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


def test_complex_numbers(refused, tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.zeros((3, 4, 5), np.complex64), np.eye(4)), tmp_path / "scan.nii")
    refused(tmp_path / "scan.nii", "complex")


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_impossible_spacing(refused, tmp_path, make_volume, bad):
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


def test_sheared_axes(refused, tmp_path, make_volume):
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


def test_two_voxel_sizes_in_one_nifti(refused, tmp_path, make_volume):
    write_volume(tmp_path / "scan.nii", make_volume())
    raw = bytearray((tmp_path / "scan.nii").read_bytes())
    raw[84:88] = struct.pack("<f", 1.5 * struct.unpack("<f", raw[84:88])[0])
    (tmp_path / "scan.nii").write_bytes(raw)
    refused(tmp_path / "scan.nii", "two different voxel sizes")


def test_voxels_in_another_file(refused, tmp_path):
    (tmp_path / "scan.nrrd").write_text(
        "NRRD0004\ntype: short\ndimension: 3\nsizes: 1 1 1\nencoding: raw\ndata file: other.raw\n\n"
    )
    refused(tmp_path / "scan.nrrd", "another file")
    (tmp_path / "scan.mha").write_text(
        "NDims = 3\nDimSize = 1 1 1\nElementSpacing = 1 1 1\n"
        "ElementType = MET_SHORT\nElementDataFile = other.raw\n"
    )
    refused(tmp_path / "scan.mha", "another file")


def test_a_file_that_may_not_be_opened(refused, tmp_path, make_volume, monkeypatch):
    write_volume(tmp_path / "scan.nii", make_volume())

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    refused(tmp_path / "scan.nii", "Permission denied")
