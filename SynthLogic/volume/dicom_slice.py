"""One DICOM slice: what its header says that matters here, and its voxels."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.errors import InvalidDicomError
from pydicom.pixels import apply_modality_lut

from SynthLogic.errors import InputError
from SynthLogic.volume.names import check_name

_NOT_SCANS = ("SEG", "SR", "PR", "KO", "RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD", "REG", "FID", "DOC", "RWV")
_TAGS = [
    "SOPClassUID",
    "Modality",
    "SeriesInstanceUID",
    "SeriesNumber",
    "SeriesDescription",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
    "PixelSpacing",
    "PixelPaddingValue",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "SliceThickness",
    "SpacingBetweenSlices",
    "RescaleSlope",
    "RescaleIntercept",
    "ModalityLUTSequence",
]
_HEADER_ERRORS = (
    ValueError,
    KeyError,
    IndexError,
    AttributeError,
    NotImplementedError,
    TypeError,
    OverflowError,
    EOFError,
)


@dataclass(frozen=True)
class Slice:
    """The header of one single-frame image; lengths in mm, in DICOM's LPS."""

    path: Path
    series: str
    series_number: str
    series_description: str
    modality: str
    rows: int
    columns: int
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    pixel_spacing: tuple[float, ...]
    thickness: float | None
    slope: float
    intercept: float
    stored_range: tuple[int, int]
    padding: int | None
    table: Any

    def read(self) -> NDArray[Any]:
        """Return the voxels (J, I), rescaled by slope and intercept or by the modality table.

        Raises:
            InputError: damaged, or packed in a way that GDCM does not know.
        """
        reader = sitk.ImageFileReader()
        reader.SetGlobalWarningDisplay(False)
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(str(self.path))
        try:
            plane = sitk.GetArrayFromImage(reader.Execute())
        except RuntimeError:
            raise damaged(self.path) from None
        if plane.size != self.rows * self.columns:
            raise damaged(self.path)
        plane = plane.reshape(self.rows, self.columns)
        return plane if self.table is None else np.asarray(apply_modality_lut(plane, self.table))

    def value_range(self) -> tuple[float, float]:
        """Return the lowest and highest value the voxels can have after rescaling."""
        if self.table is not None:
            return 0.0, 65535.0
        ends = [*self.stored_range, *([self.padding] if self.padding is not None else [])]
        values = [self.slope * e + self.intercept for e in ends]
        return min(values), max(values)

    def is_integer(self) -> bool:
        """Whether all values are integers after rescaling."""
        return self.slope.is_integer() and self.intercept.is_integer()


def damaged(path: Path) -> InputError:
    """Return the error for a slice that cannot be decoded."""
    return InputError(
        f"{path.name} in the DICOM folder is damaged or packed in an unknown way; copy it again."
    )


def read_header(path: Path) -> Slice | str | None:
    """Return a file's slice, a word for a DICOM file that is no image, or None for what is not DICOM.

    Raises:
        InputError: damaged, colour, several frames, an image without a place in space, or a name that is not
            valid UTF-8.
    """
    if path.stat().st_size == 0:
        if path.name.startswith("."):
            return None
        raise damaged(path)
    try:
        with warnings.catch_warnings():
            # Many scanners write values that pydicom finds irregular; nothing a user could mend.
            warnings.simplefilter("ignore")
            with path.open("rb") as stream:
                header = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=_TAGS)
                left = path.stat().st_size - stream.tell()
            kind = header.get("SOPClassUID") or header.file_meta.get("MediaStorageSOPClassUID")
            if str(header.get("Modality", "")) in _NOT_SCANS:
                return "no image"
            if "Rows" not in header:
                # A header that ends early must not pass for a file without an image: its slice is missing.
                if not kind or "Image Storage" in pydicom.uid.UID(str(kind)).name:
                    raise damaged(path)
                return "no image"
            check_name(path, InputError)
            _check_kind(header)
            # GDCM makes up the rest of uncompressed voxels that end too early.
            bits = int(header.Rows) * int(header.Columns) * int(header.get("BitsAllocated") or 16)
            if not header.file_meta.TransferSyntaxUID.is_compressed and left < bits // 8:
                raise damaged(path)
            return _slice(path, header)
    except InvalidDicomError:
        return None
    except _HEADER_ERRORS:
        raise damaged(path) from None


def _check_kind(header: Any) -> None:
    name = pydicom.uid.UID(str(header.get("SOPClassUID", ""))).name
    if int(header.get("NumberOfFrames") or 1) > 1 or "Enhanced" in name:
        raise InputError(
            "The folder holds an enhanced (multi-frame) DICOM file; convert it to one file per slice or to"
            " NIfTI first."
        )
    if int(header.get("SamplesPerPixel") or 1) != 1:
        raise InputError("The DICOM images are in colour; give a CT or MR series with one value per voxel.")
    for tag, what in (
        ("ImagePositionPatient", "position"),
        ("ImageOrientationPatient", "orientation"),
        ("PixelSpacing", "pixel spacing"),
    ):
        if not header.get(tag):
            raise InputError(
                f"The DICOM images do not say their {what}; export the original series, not a picture of it."
            )


def _slice(path: Path, header: Any) -> Slice:
    bits = int(header.get("BitsStored") or header.get("BitsAllocated") or 16)
    signed = int(header.get("PixelRepresentation") or 0)
    spacing = _numbers(header.PixelSpacing, 2)
    if not all(math.isfinite(s) and s > 1e-6 for s in spacing):
        raise InputError("The DICOM images have a pixel spacing of zero or NaN; export the series again.")
    padding = header.get("PixelPaddingValue")
    return Slice(
        path=path,
        series=str(header.get("SeriesInstanceUID", "")),
        series_number=str(header.get("SeriesNumber") or "?"),
        series_description=str(header.get("SeriesDescription") or ""),
        modality=str(header.get("Modality") or ""),
        rows=int(header.Rows),
        columns=int(header.Columns),
        position=_numbers(header.ImagePositionPatient, 3),
        orientation=_numbers(header.ImageOrientationPatient, 6),
        pixel_spacing=spacing,
        thickness=_thickness(header),
        slope=_number(header, "RescaleSlope", 1.0) or 1.0,
        intercept=_number(header, "RescaleIntercept", 0.0),
        stored_range=(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1),
        padding=padding if isinstance(padding, int) else None,
        table=header if header.get("ModalityLUTSequence") else None,
    )


def _numbers(values: Any, count: int) -> tuple[float, ...]:
    numbers = tuple(float(v) for v in values)
    if len(numbers) != count:
        raise ValueError(f"{len(numbers)} numbers instead of {count}")
    return numbers


def _number(header: Any, tag: str, default: float) -> float:
    value = header.get(tag)
    return default if value is None or value == "" else float(value)


def _thickness(header: Any) -> float | None:
    """Slice distance as written, used only where there is a single slice."""
    for tag in ("SpacingBetweenSlices", "SliceThickness"):
        value = abs(_number(header, tag, 0.0))
        if math.isfinite(value) and value > 1e-6:
            return value
    return None
