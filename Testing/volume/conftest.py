from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from SynthLogic.errors import InputError
from SynthLogic.volume import Volume, read_volume


@pytest.fixture(scope="session")
def real_data() -> Path:
    folder = Path(__file__).resolve().parents[3] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real images are not part of the project: no ../shared/data here")
    return folder


def rotation(degrees: tuple[float, float, float]) -> np.ndarray:
    matrix = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees)):
        turn = np.eye(3)
        first, second = [n for n in range(3) if n != axis]
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    return matrix


@pytest.fixture(scope="session")
def make_volume() -> Callable[..., Volume]:
    """An int16 volume of distinct values, oblique and anisotropic unless told otherwise."""

    def make(
        shape: tuple[int, int, int] = (5, 6, 7),
        spacing: tuple[float, float, float] = (0.7, 0.9, 2.5),
        angles: tuple[float, float, float] = (12.0, -20.0, 33.0),
        origin: tuple[float, float, float] = (-61.3, 17.7, 204.1),
        dtype: type = np.int16,
    ) -> Volume:
        values = np.random.default_rng(7).permutation(np.prod(shape)).reshape(shape) - 100
        matrix = np.eye(4)
        matrix[:3, :3] = rotation(angles) * np.asarray(spacing)
        matrix[:3, 3] = origin
        return Volume(values.astype(dtype), matrix)

    return make


@pytest.fixture(scope="session")
def stored_ways() -> Callable[[Volume], Iterator[Volume]]:
    """All 48 ways of storing one volume: axis orders and directions."""

    def ways(volume: Volume) -> Iterator[Volume]:
        for axes in itertools.permutations(range(3)):
            for flips in itertools.product((False, True), repeat=3):
                step = np.zeros((4, 4))
                step[3, 3] = 1
                for new, (old, flip) in enumerate(zip(axes, flips, strict=True)):
                    count = volume.array.shape[old]
                    step[2 - old, 2 - new] = -1 if flip else 1
                    step[2 - old, 3] = count - 1 if flip else 0
                array = volume.array.transpose(axes)[tuple(slice(None, None, -1 if f else 1) for f in flips)]
                yield Volume(np.ascontiguousarray(array), volume.ijk_to_ras @ step)

    return ways


@pytest.fixture
def write_slice() -> Callable[..., Path]:
    """Write one CT slice of int16 HU; keyword arguments are DICOM attributes to set (None deletes)."""

    def write(
        folder: Path, number: int, pixels: np.ndarray, position: tuple[float, float, float], **changes: object
    ) -> Path:
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[str(folder), str(number)])
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        header = pydicom.Dataset()
        header.file_meta = meta
        header.SOPClassUID, header.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        header.Modality, header.PatientName, header.PatientID = "CT", "Doe^Jane", "secret-77"
        header.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
        header.SeriesInstanceUID = generate_uid(entropy_srcs=["series"])
        header.SeriesNumber, header.InstanceNumber = 3, number
        header.Rows, header.Columns = pixels.shape
        header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
        header.BitsAllocated, header.BitsStored, header.HighBit = 16, 16, 15
        header.PixelRepresentation = int(pixels.dtype.kind == "i")
        header.PixelSpacing, header.SliceThickness = [0.8, 0.5], 2.0
        header.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        header.ImagePositionPatient = [f"{x:.10g}" for x in position]
        header.RescaleSlope, header.RescaleIntercept = 1, 0
        header.PixelData = pixels.tobytes()
        for tag, value in changes.items():
            if value is None:
                delattr(header, tag)
            else:
                setattr(header, tag, value)
        path = folder / f"slice{number:03d}.dcm"
        header.save_as(path, enforce_file_format=True)
        return path

    return write


@pytest.fixture
def silent(capfd):
    """ITK and its libraries say nothing by themselves."""
    yield
    said = capfd.readouterr()
    assert said.err == ""
    assert said.out == ""


@pytest.fixture(scope="session")
def refused() -> Callable[..., None]:
    """Reading the file is refused in one sentence that has the words, and no path."""

    def check(path: Path, *words: str) -> None:
        with pytest.raises(InputError) as caught:
            read_volume(path)
        message = str(caught.value)
        assert "\n" not in message
        assert str(path.parent) not in message
        for word in words:
            assert word in message

    return check
