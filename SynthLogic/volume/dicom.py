"""Reading a folder that holds one DICOM series of single-frame slices."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from SynthLogic.errors import InputError
from SynthLogic.volume.dicom_slice import Slice, damaged, read_header
from SynthLogic.volume.dicom_stack import Stack, arrange, even_out, straighten
from SynthLogic.volume.itk_image import kept_locale
from SynthLogic.volume.lps import matrix_from_lps_matrix
from SynthLogic.volume.scan import ScanMeta
from SynthLogic.volume.volume import Volume


def read_dicom(folder: Path) -> tuple[Volume, ScanMeta]:
    """Read the one series in ``folder`` (its own files, not those of folders below).

    Slices are sorted by position; rescale slope and intercept or the modality table are applied. A tilted
    gantry and uneven distances are put right by interpolation along the true geometry, and noted.
    Padding values stay as they are.

    Raises:
        InputError: no images, several series, colour, multi-frame, mixed sizes or orientations, slices
            missing or doubled, damaged files.
    """
    slices, notes = _slices(folder)
    _check_one_series(slices)
    _check_alike(slices)
    first = slices[0]
    positions = np.asarray([s.position for s in slices])
    pixel = (first.pixel_spacing[1], first.pixel_spacing[0])
    stack = arrange(positions, first.orientation, pixel, first.thickness)
    if len(slices) == 1 and first.thickness is None:
        notes.append("The single slice does not say its thickness; 1 mm was assumed.")
    slices = [slices[n] for n in stack.order]
    array = _voxels(slices)
    notes += _padding_notes(array, slices[0])
    volume, corrections = _placed(array, stack)
    notes += corrections
    return volume, ScanMeta("dicom", "DICOM", first.modality or None, array.dtype.name, tuple(notes))


def _slices(folder: Path) -> tuple[list[Slice], list[str]]:
    found = {p: read_header(p) for p in sorted(folder.iterdir()) if p.is_file()}
    slices = [f for f in found.values() if isinstance(f, Slice)]
    if not slices:
        raise InputError(
            f"The folder {folder.name} holds no DICOM images; give the folder with the slices of one series."
        )
    # What is named like the slices but is no DICOM file was one, and its slice is missing.
    names = {_without_digits(one.path) for one in slices}
    for path, one in found.items():
        if one is None and _without_digits(path) in names:
            raise damaged(path)
    others = sum(isinstance(f, str) for f in found.values())
    return slices, [f"{others} DICOM file(s) without an image were passed over."] if others else []


def _without_digits(path: Path) -> str:
    return re.sub(r"\d+", "", path.name)


def _check_one_series(slices: Sequence[Slice]) -> None:
    series: dict[str, list[Slice]] = defaultdict(list)
    for one in slices:
        series[one.series].append(one)
    if len(series) == 1:
        return
    lines = []
    for members in sorted(series.values(), key=lambda m: (len(m[0].series_number), m[0].series_number)):
        one = members[0]
        name = f" '{one.series_description}'" if one.series_description else ""
        lines.append(f"series {one.series_number}: {one.modality or '?'}{name}, {len(members)} slices")
    raise InputError(
        f"The folder holds {len(series)} DICOM series ({'; '.join(lines)});"
        " put the one you want into a folder of its own."
    )


def _check_alike(slices: Sequence[Slice]) -> None:
    first = slices[0]
    for one in slices:
        if (
            (one.rows, one.columns) != (first.rows, first.columns)
            or not np.allclose(one.pixel_spacing, first.pixel_spacing, rtol=0, atol=1e-4)
            or not np.allclose(one.orientation, first.orientation, rtol=0, atol=1e-3)
        ):
            raise InputError(
                "The DICOM series mixes images of different size, pixel spacing or orientation (a scout"
                " view?); keep only the slices of one stack in the folder."
            )


def _voxels(slices: Sequence[Slice]) -> NDArray[Any]:
    """Decode the slices into one (K, J, I) array of rescaled values."""
    array = np.empty((len(slices), slices[0].rows, slices[0].columns), _voxel_type(slices))

    def decode(k: int) -> None:
        plane = slices[k].read()
        array[k] = np.rint(plane) if plane.dtype.kind == "f" and array.dtype.kind != "f" else plane

    with kept_locale(), ThreadPoolExecutor() as pool:
        for _ in pool.map(decode, range(len(slices))):
            pass
    return array


def _voxel_type(slices: Sequence[Slice]) -> np.dtype[Any]:
    """The narrowest of int16, uint16 and int32 for integers, else float32; one for all slices."""
    if not all(s.is_integer() for s in slices):
        return np.dtype(np.float32)
    low = min(s.value_range()[0] for s in slices)
    high = max(s.value_range()[1] for s in slices)
    for candidate in (np.int16, np.uint16, np.int32):
        limits = np.iinfo(candidate)
        if limits.min <= low and high <= limits.max:
            return np.dtype(candidate)
    return np.dtype(np.float32)


def _padding_notes(array: NDArray[Any], first: Slice) -> list[str]:
    if first.padding is None:
        return []
    value = first.padding * first.slope + first.intercept
    if not any((plane == value).any() for plane in array):
        return []
    return [f"Padding voxels of {value:g} mark what the scanner did not see; they were kept."]


def _placed(array: NDArray[Any], stack: Stack) -> tuple[Volume, list[str]]:
    notes = []
    corner = (0, 0)
    if not stack.is_straight:
        array, corner = straighten(array, stack)
        notes.append(
            f"The slices lay shifted against each other (gantry tilted by {stack.tilt_degrees:.1f} degrees);"
            " they were put in their true place."
        )
    if not stack.is_even:
        array = even_out(array, stack)
        notes.append(
            f"The slices were unevenly spaced; they were interpolated to every {stack.spacing:.4g} mm."
        )
    return Volume(array, matrix_from_lps_matrix(stack.matrix(corner))), notes
