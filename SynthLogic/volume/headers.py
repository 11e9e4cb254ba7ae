"""Checks of a file before ITK reads it: what it holds, and whether all of it is there.

ITK takes a zero spacing for 1 mm, straightens sheared axes, reads NIfTI's NaN as 0 and may pass over a file
that ends early or whose packed voxels are damaged.
Each check raises ``InputError`` with one sentence, and returns notes and what is left to check.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from SynthLogic.errors import InputError
from SynthLogic.volume.grid import SHEAR_TOLERANCE

_NIFTI_BYTES = {2: 1, 4: 2, 8: 4, 16: 4, 64: 8, 256: 1, 512: 2, 768: 4, 1024: 8, 1280: 8}
_NIFTI_FLOATS = {16: "f4", 64: "f8"}
_NIFTI_COMPLEX = (32, 1792, 2048)
_NIFTI_COLOUR = (128, 2304)
_NRRD_BYTES = {
    **dict.fromkeys(("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"), 1),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), 2),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), 2),
    **dict.fromkeys(
        ("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t"), 4
    ),
    **dict.fromkeys(("longlong", "long long", "long long int", "signed long long", "int64", "int64_t"), 8),
    **dict.fromkeys(("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"), 8),
    **{"float": 4, "double": 8},
}
_META_BYTES = {"CHAR": 1, "UCHAR": 1, "SHORT": 2, "USHORT": 2, "INT": 4, "UINT": 4, "FLOAT": 4, "DOUBLE": 8}
_META_BYTES |= {"LONG": 4, "ULONG": 4, "LONG_LONG": 8, "ULONG_LONG": 8}
_HEADER_LIMIT = 1 << 20
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_SPACING_TOLERANCE = 0.01
_NOWHERE = "The file does not say how the image lies in the patient; its axes were taken as they are."


@dataclass(frozen=True)
class Checked:
    """A file whose header is in order.

    Attributes:
        notes: for the user.
        voxels: goes through all voxels, if their checksum or NaNs need it; as slow as reading them. Raises
            ``InputError``.
    """

    notes: tuple[str, ...]
    voxels: Callable[[], None]


def _nothing() -> None:
    """Nothing is left to check."""


def truncated(path: Path) -> InputError:
    """Return the error for a file that ends too early."""
    return InputError(f"{path.name} is truncated: it ends before its last voxel; copy or export it again.")


def damaged(path: Path) -> InputError:
    """Return the error for packed voxels whose checksum is wrong."""
    return InputError(f"{path.name} is damaged: its voxels cannot be unpacked; copy or export it again.")


def unreadable(path: Path, kind: str) -> InputError:
    """Return the error for a file that is not what its name says."""
    return InputError(f"{path.name} is not a readable {kind} file; export the scan again.")


def not_finite(path: Path) -> InputError:
    """Return the error for NaN or infinite voxels."""
    return InputError(
        f"{path.name} holds NaN or infinite voxels; replace them (for CT by -1024) and save it again."
    )


def sheared(path: Path) -> InputError:
    """Return the error for axes that are not at right angles."""
    return InputError(f"{path.name} has sheared axes; resample it onto straight axes (harden its transform).")


def many(path: Path, what: str) -> InputError:
    """Return the error for a file that is not one image with one number per voxel."""
    return InputError(f"{path.name} holds {what}; save one three-dimensional image with one value per voxel.")


def check_nifti(path: Path) -> Checked:
    """Check a .nii or .nii.gz file."""
    packed = path.name.lower().endswith(".gz")
    try:
        with gzip.open(path, "rb") if packed else path.open("rb") as stream:
            head = stream.read(348)
    except (EOFError, zlib.error):
        raise truncated(path) from None
    except gzip.BadGzipFile:
        raise unreadable(path, "compressed NIfTI") from None
    order = next(
        (o for o in "<>" if len(head) >= 4 and struct.unpack(o + "i", head[:4])[0] in (348, 540)), None
    )
    if order is None:
        raise unreadable(path, "NIfTI")
    if struct.unpack(order + "i", head[:4])[0] == 540:
        raise InputError(f"{path.name} is a NIfTI-2 file; save it as NIfTI-1, .nrrd or .mha.")
    if len(head) < 348:
        raise truncated(path)
    if head[344:347] == b"ni1":
        raise InputError(f"{path.name} keeps its voxels in another file; save it as one .nii file.")
    dim = struct.unpack_from(order + "8h", head, 40)
    datatype = struct.unpack_from(order + "h", head, 70)[0]
    pixdim = struct.unpack_from(order + "8f", head, 76)
    start = struct.unpack_from(order + "f", head, 108)[0]
    qform, sform = struct.unpack_from(order + "2h", head, 252)
    rows = struct.unpack_from(order + "12f", head, 280)
    if not 1 <= dim[0] <= 7 or min(dim[1 : dim[0] + 1]) < 1 or not 0 <= start < 1e9:
        raise unreadable(path, "NIfTI")
    if datatype in _NIFTI_COMPLEX:
        raise many(path, "complex numbers")
    if datatype in _NIFTI_COLOUR:
        raise many(path, "a colour image")
    if dim[0] >= 5 and dim[5] > 1:
        raise many(path, "more than one number per voxel")
    if datatype not in _NIFTI_BYTES:
        raise many(path, f"voxels of a type that cannot be read (NIfTI type {datatype})")
    _check_axes(path, list(dim[1 : dim[0] + 1]))
    _check_spacing(path, pixdim[1:4])
    notes = []
    if sform > 0:
        axes = np.asarray(rows).reshape(3, 4)
        if not np.isfinite(axes).all():
            _check_spacing(path, [math.nan])
        lengths = np.linalg.norm(axes[:, :3], axis=0)
        _check_spacing(path, lengths)
        cosines = (axes[:, :3] / lengths).T @ (axes[:, :3] / lengths)
        if np.abs(cosines - np.eye(3)).max() > SHEAR_TOLERANCE:
            raise sheared(path)
        if np.abs(lengths / np.abs(pixdim[1:4]) - 1).max() > _SPACING_TOLERANCE:
            # ITK takes the voxel size from one and the directions from the other, other programs do not.
            raise InputError(
                f"{path.name} says two different voxel sizes (pixdim and sform); correct its header or export"
                " it again."
            )
    elif qform <= 0:
        notes.append(_NOWHERE)
    size = math.prod(dim[1 : dim[0] + 1]) * _NIFTI_BYTES[datatype]
    floats = np.dtype(order + _NIFTI_FLOATS[datatype]) if datatype in _NIFTI_FLOATS else None
    if not packed:
        _check_length(path, 0, size + int(start))
    if not packed and floats is None:
        return Checked(tuple(notes), _nothing)
    return Checked(tuple(notes), partial(_check_voxels, path, int(start), size, floats, packed))


def check_nrrd(path: Path) -> Checked:
    """Check a .nrrd file."""
    with path.open("rb") as stream:
        if not stream.readline(64).startswith(b"NRRD"):
            raise unreadable(path, "NRRD")
        fields: dict[str, str] = {}
        for line in _lines(stream, path, "NRRD"):
            if not line:
                break
            key, separator, value = line.partition(":")
            if separator and not line.startswith("#") and not value.startswith("="):
                fields[key.strip().lower()] = value.strip()
        offset = stream.tell()
    try:
        sizes = [int(n) for n in fields["sizes"].split()]
        kind, encoding = fields["type"].lower(), fields["encoding"].lower()
    except (KeyError, ValueError):
        raise unreadable(path, "NRRD") from None
    if "data file" in fields or "datafile" in fields:
        raise InputError(f"{path.name} keeps its voxels in another file; save it as one .nrrd file.")
    if kind not in _NRRD_BYTES or not sizes or min(sizes) < 1:
        raise many(path, f"voxels of a type that cannot be read ({kind})")
    kinds = fields.get("kinds", "").lower().split()
    if any(k not in ("domain", "space", "time", "none", "???", "list", "scalar") for k in kinds):
        raise many(path, "more than one number per voxel")
    _check_axes(path, sizes)
    vectors = [v for v in fields.get("space directions", "").replace("none", "").split(")") if "(" in v]
    try:
        lengths = [float(np.linalg.norm([float(x) for x in v.split("(")[1].split(",")])) for v in vectors]
        lengths += [float(x) for x in fields.get("spacings", "").split()]
    except ValueError:
        raise unreadable(path, "NRRD") from None
    _check_spacing(path, lengths)
    voxels: Callable[[], None] = _nothing
    if encoding in ("raw", "gzip", "gz") and not fields.keys() & {
        "line skip",
        "lineskip",
        "byte skip",
        "byteskip",
    }:
        expected = math.prod(sizes) * _NRRD_BYTES[kind]
        if encoding == "raw":
            _check_length(path, offset, expected)
        else:
            voxels = partial(_check_packed, path, offset, expected)
    return Checked(() if "space" in fields else (_NOWHERE,), voxels)


def check_meta(path: Path) -> Checked:
    """Check a .mha file."""
    fields: dict[str, str] = {}
    with path.open("rb") as stream:
        for line in _lines(stream, path, "MetaImage"):
            key, _, value = line.partition("=")
            fields[key.strip()] = value.strip()
            if key.strip() == "ElementDataFile":
                break
        offset = stream.tell()
    try:
        sizes = [int(n) for n in fields["DimSize"].split()]
        kind, where = fields["ElementType"].removeprefix("MET_"), fields["ElementDataFile"]
        channels = int(fields.get("ElementNumberOfChannels", "1"))
        spacing = [float(x) for x in fields.get("ElementSpacing", fields.get("ElementSize", "")).split()]
    except (KeyError, ValueError):
        raise unreadable(path, "MetaImage") from None
    if where.upper() != "LOCAL":
        raise InputError(f"{path.name} keeps its voxels in another file; save it as one .mha file.")
    if channels != 1:
        raise many(path, "more than one number per voxel")
    if kind not in _META_BYTES or not sizes or min(sizes) < 1:
        raise many(path, f"voxels of a type that cannot be read ({kind})")
    _check_axes(path, sizes)
    _check_spacing(path, spacing)
    if fields.get("BinaryData", "True").lower() == "true":
        expected = math.prod(sizes) * _META_BYTES[kind]
        if fields.get("CompressedData", "False").lower() == "true":
            # At once: ITK's reader prints what it finds damaged.
            _check_packed(path, offset, expected)
        else:
            _check_length(path, offset, expected)
    return Checked((), _nothing)


def _lines(stream: BinaryIO, path: Path, kind: str) -> Iterable[str]:
    """Yield the header's lines; the caller stops at the header's end."""
    while True:
        line = stream.readline(_HEADER_LIMIT)
        if not line.endswith(b"\n"):
            raise truncated(path) if stream.tell() < _HEADER_LIMIT else unreadable(path, kind)
        yield line.decode("latin-1").strip()


def _check_axes(path: Path, sizes: list[int]) -> None:
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes = sizes[:-1]
    if len(sizes) > 3:
        raise many(path, f"an image of {len(sizes)} dimensions ({' x '.join(map(str, sizes))})")
    if len(sizes) < 3:
        raise many(path, "a two-dimensional picture without a place in space")


def _check_spacing(path: Path, spacing: Iterable[float]) -> None:
    if not all(math.isfinite(s) and abs(s) > 1e-6 for s in spacing):
        raise InputError(
            f"{path.name} has a voxel spacing of zero or NaN; correct its header or export it again."
        )


def _check_length(path: Path, offset: int, expected: int) -> None:
    """Check that ``expected`` bytes follow after ``offset``."""
    if path.stat().st_size - offset < expected:
        raise truncated(path)


def _check_packed(path: Path, offset: int, expected: int) -> None:
    """Unpack what follows after ``offset``, gzip or zlib, to its checksum; it must hold ``expected`` bytes.

    ITK passes over packed voxels that are damaged.
    """
    found, whole = 0, False
    try:
        with path.open("rb") as stream:
            stream.seek(offset)
            unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
            while block := unpacker.unconsumed_tail or stream.read(1 << 20):
                found += len(unpacker.decompress(block, 1 << 22))
                if whole := unpacker.eof:
                    if found >= expected or not unpacker.unused_data:
                        break
                    # Some programs write several gzip members, one after the other.
                    stream.seek(-len(unpacker.unused_data), 1)
                    unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
            if not whole:
                # All input may be taken in while the last of the output was held back.
                found += len(unpacker.flush())
                whole = unpacker.eof
    except zlib.error:
        raise damaged(path) from None
    if not whole or found < expected:
        raise truncated(path)


def _check_voxels(path: Path, start: int, size: int, floats: np.dtype | None, packed: bool) -> None:
    """Read ``size`` bytes of voxels: floats must be finite, and what is packed must match its checksum."""
    if packed and floats is None:
        _check_packed(path, 0, start + size)
        return
    left = size
    try:
        with gzip.open(path, "rb") if packed else path.open("rb") as stream:
            stream.seek(start)
            while left > 0 and (block := stream.read(min(left, 1 << 20))):
                left -= len(block)
                if floats is not None:
                    values = np.frombuffer(block, floats, len(block) // floats.itemsize)
                    if not np.isfinite(values).all():
                        raise not_finite(path)
            # Only at the end of the stream is the checksum compared.
            while packed and stream.read(1 << 20):
                pass
    except EOFError:
        raise truncated(path) from None
    except (zlib.error, gzip.BadGzipFile):
        raise damaged(path) from None
    if left > 0:
        raise truncated(path)
