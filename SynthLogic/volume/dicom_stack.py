"""Where the slices of one DICOM series lie, and how an uneven or tilted stack becomes an even, straight one.

Positions are the tags' own, in LPS mm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from SynthLogic.errors import InputError
from SynthLogic.volume.grid import FloatArray
from SynthLogic.volume.weights import interpolation

_MISSING = 1.5
"""A gap above this many typical gaps means that slices are missing."""
_UNEVEN = 0.02
"""Slices off their even place by more than this part of the spacing are interpolated."""
_SHIFTED = 0.1
"""Slices off their straight place by more than this part of a pixel are interpolated."""


@dataclass(frozen=True)
class Stack:
    """Slices of one size and orientation, in the order of the stack.

    Attributes:
        order: index of each slice in the list of headers, along the normal.
        first: LPS position of the first slice's first pixel centre.
        rows: unit vector from pixel to pixel within a row (axis I).
        columns: unit vector from row to row (axis J).
        pixel: distance of pixel centres along (I, J) in mm.
        heights: distance of each slice from the first along the normal, mm, increasing.
        shifts: (slices, 2) in-plane displacement of each slice from the first along (I, J), in pixels.
        spacing: distance of slices in the even stack, mm.
    """

    order: tuple[int, ...]
    first: FloatArray
    rows: FloatArray
    columns: FloatArray
    pixel: tuple[float, float]
    heights: FloatArray
    shifts: FloatArray
    spacing: float

    @property
    def normal(self) -> FloatArray:
        """Unit vector from slice to slice (axis K) of the straight stack."""
        return np.cross(self.rows, self.columns)

    @property
    def is_even(self) -> bool:
        """Whether the slices lie at equal distances."""
        even = np.arange(len(self.heights)) * self.spacing
        return bool(np.abs(self.heights - even).max() <= max(_UNEVEN * self.spacing, 1e-3))

    @property
    def is_straight(self) -> bool:
        """Whether each slice lies exactly above the one below."""
        return bool(np.abs(self.shifts).max() <= _SHIFTED)

    @property
    def tilt_degrees(self) -> float:
        """Angle between the way from the first to the last slice and the slices' normal."""
        sideways = float(np.linalg.norm(self.shifts[-1] * self.pixel))
        return float(np.degrees(np.arctan2(sideways, self.heights[-1])))

    def matrix(self, first_pixel: Sequence[int] = (0, 0)) -> FloatArray:
        """4x4 from indices to LPS of the even, straight stack that starts at pixel ``first_pixel`` (I, J)."""
        matrix = np.eye(4)
        matrix[:3, 0] = self.rows * self.pixel[0]
        matrix[:3, 1] = self.columns * self.pixel[1]
        matrix[:3, 2] = self.normal * self.spacing
        matrix[:3, 3] = self.first + matrix[:3, 0] * first_pixel[0] + matrix[:3, 1] * first_pixel[1]
        return matrix


def arrange(
    positions: FloatArray, orientation: Sequence[float], pixel: tuple[float, float], thickness: float | None
) -> Stack:
    """Sort slices along their normal and check that they form one stack.

    Args:
        positions: (slices, 3) Image Position (Patient).
        orientation: the six numbers of Image Orientation (Patient).
        pixel: distance of pixel centres along (I, J) in mm.
        thickness: spacing to use for a single slice.

    Raises:
        InputError: no orientation, several slices in one place, missing slices, or no stack at all.
    """
    rows, columns = np.asarray(orientation[:3], float), np.asarray(orientation[3:], float)
    lengths = np.linalg.norm(rows), np.linalg.norm(columns)
    if (
        not (np.isfinite(positions).all() and np.isfinite(lengths).all())
        or abs(rows @ columns) > 1e-3
        or min(lengths) < 0.9
    ):
        raise InputError(
            "The DICOM slices have an impossible position or orientation; export the series again."
        )
    rows = rows / lengths[0]
    columns = columns / lengths[1] - rows * (columns @ rows) / lengths[1]
    columns /= np.linalg.norm(columns)
    normal = np.cross(rows, columns)
    along = positions @ normal
    order = np.argsort(along, kind="stable")
    heights = along[order] - along[order[0]]
    away = positions[order] - positions[order[0]]
    shifts = np.stack([away @ rows / pixel[0], away @ columns / pixel[1]], axis=1)
    spacing = _checked_spacing(heights) if len(heights) > 1 else (thickness or 1.0)
    stack = Stack(tuple(order.tolist()), positions[order[0]], rows, columns, pixel, heights, shifts, spacing)
    if stack.tilt_degrees > 45 or (not stack.is_straight and _wander(stack) > 2):
        raise InputError(
            "The DICOM slices do not lie above each other; export the series again as one stack."
        )
    return stack


def _checked_spacing(heights: FloatArray) -> float:
    gaps = np.diff(heights)
    # The lower median: where every other slice is missing, the narrow gaps are the true ones.
    typical = float(np.sort(gaps)[(len(gaps) - 1) // 2])
    doubled = int((gaps < max(1e-3, 0.01 * float(gaps.max()))).sum())
    if doubled:
        raise InputError(
            f"The DICOM folder holds {doubled} slices in the same place as another (several phases or"
            " echoes?); put one phase into a folder of its own."
        )
    widest = int(gaps.argmax())
    if gaps[widest] > _MISSING * typical:
        raise InputError(
            f"The DICOM series misses slices: after slice {widest + 1} there are {gaps[widest]:.4g} mm where"
            f" {typical:.4g} mm are usual; export the complete series."
        )
    return float(heights[-1] / (len(heights) - 1))


def _wander(stack: Stack) -> float:
    """Largest distance in pixels of a slice from the straight line through the first and the last."""
    line = stack.heights[:, None] / max(stack.heights[-1], 1e-9) * stack.shifts[-1]
    return float(np.abs(stack.shifts - line).max())


def straighten(array: NDArray[Any], stack: Stack) -> tuple[NDArray[Any], tuple[int, int]]:
    """Shift every slice to its true place on the first slice's pixel lattice, linearly within the slice.

    The field of view grows by whole pixels until it holds every slice; outside a slice lies the
    smallest value of the whole stack (air, in CT).

    Returns:
        The new array and the lattice index (I, J) of its first pixel.
    """
    low = np.floor(stack.shifts.min(axis=0) + 1e-3).astype(int)
    high = np.ceil(stack.shifts.max(axis=0) - 1e-3).astype(int)
    size = [array.shape[2] + high[0] - low[0], array.shape[1] + high[1] - low[1]]
    result = np.full((array.shape[0], size[1], size[0]), array.min(), array.dtype)
    for k, plane in enumerate(array):
        shift = stack.shifts[k] - low
        steps = []
        for n in range(2):
            count = plane.shape[1 - n]
            positions = np.arange(size[n]) - shift[n]
            kept = (positions >= -0.5) & (positions <= count - 0.5)
            steps.append((interpolation(count, positions[kept], 1), np.flatnonzero(kept)))
        (along_i, columns), (along_j, rows) = steps
        moved = (along_i @ (along_j @ plane.astype(np.float64)).T).T
        result[k, rows[:, None], columns] = _like(moved, array.dtype)
    return result, (int(low[0]), int(low[1]))


def even_out(array: NDArray[Any], stack: Stack) -> NDArray[Any]:
    """Interpolate slices linearly along the normal onto equal distances from the first to the last."""
    wanted = np.arange(len(stack.heights)) * stack.spacing
    places = np.interp(wanted, stack.heights, np.arange(len(stack.heights)))
    result = np.empty_like(array)
    for k, place in enumerate(places):
        low = min(int(place), len(places) - 2)
        part = place - low
        result[k] = _like(array[low] * (1 - part) + array[low + 1] * part, array.dtype)
    return result


def _like(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    return (np.rint(values) if dtype.kind in "ui" else values).astype(dtype)
