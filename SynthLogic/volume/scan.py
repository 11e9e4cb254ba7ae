"""What reading a scan returns, and the hash that names it in records."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from SynthLogic.volume.volume import Volume

# Values are binned at these steps (mm). The odd offset keeps round numbers away from a bin's edge, where
# the 1e-7 that NIfTI's float32 loses would change the hash.
_AXIS_STEP = 1e-4
_ORIGIN_STEP = 1e-2
_OFFSET = 1 / np.e


@dataclass(frozen=True)
class ScanMeta:
    """What is known about a scan besides its voxels; never anything about the patient.

    Attributes:
        kind: one file, a DICOM folder, or voxels that were in memory already.
        format: "NIfTI", "NRRD", "MetaImage", "DICOM" or "memory".
        modality: DICOM's Modality ("CT", "MR", ..); None where the format does not say.
        dtype: numpy name of the voxel type, as read.
        notes: what was done or noticed while reading, one sentence each, fit to be shown and recorded.
    """

    kind: Literal["file", "dicom", "memory"]
    format: str
    modality: str | None
    dtype: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scan:
    """A volume as it was read, with its description and its hash (see ``content_hash``)."""

    volume: Volume
    meta: ScanMeta
    content_hash: str


def content_hash(volume: Volume) -> str:
    """Return the SHA-256 (hexadecimal) of a scan's content, whatever file it came from.

    Hashed, in this order: the text "crossmodalsynth scan 1"; the shape (K, J, I) as little-endian int64;
    the matrix's first three rows as little-endian int64 of floor(value / step + 1/e), step 1e-4 mm for
    the axes and 1e-2 mm for the origin, so that NIfTI's float32 makes no difference; the name of the voxel
    type; the voxels in C order. The voxel type is the narrowest of int16, int32 and int64 that holds all
    values where they are stored as integers, else float32, little-endian.
    """
    digest = hashlib.sha256(b"crossmodalsynth scan 1")
    digest.update(np.asarray(volume.shape, dtype="<i8").tobytes())
    steps = np.array([_AXIS_STEP, _AXIS_STEP, _AXIS_STEP, _ORIGIN_STEP])
    digest.update(np.floor(volume.ijk_to_ras[:3] / steps + _OFFSET).astype("<i8").tobytes())
    dtype = _hashed_type(volume.array)
    digest.update(dtype.str.encode())
    for plane in volume.array:
        digest.update(np.ascontiguousarray(plane, dtype=dtype).data)
    return digest.hexdigest()


def _hashed_type(array: NDArray[Any]) -> np.dtype[Any]:
    if array.dtype.kind == "f":
        return np.dtype("<f4")
    if array.dtype.kind == "b":
        return np.dtype("<i2")
    low, high = int(array.min()), int(array.max())
    for name in ("<i2", "<i4"):
        limits = np.iinfo(name)
        if limits.min <= low and high <= limits.max:
            return np.dtype(name)
    return np.dtype("<i8")
