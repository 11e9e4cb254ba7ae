"""A heart as the networks see it: short-axis slices round the left ventricle, and the way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from SynthLogic.errors import InputError
from SynthLogic.hearts.frame import Points, stack_axis, tilt_degrees
from SynthLogic.hearts.labels import STRUCTURES, checked_labels
from SynthLogic.hearts.pose import Pose
from SynthLogic.hearts.sampling import sample_image, sample_labels
from SynthLogic.volume import Grid, Volume

FloatArray = NDArray[np.float64]

SIZE, PIXEL_MM, SLICE_MM = 128, 1.5, 8.0
"""The paper's frame: pixels a side and their size; how far apart slices are cut where there are none yet."""
MAX_SLICES, MAX_GAP_MM, MAX_LENGTH_MM = 300, 25.0, 250.0


@dataclass(frozen=True, eq=False)
class ShortAxis:
    """A heart in the frame of the networks.

    Attributes:
        labels: (K, size, size) uint8, values of ``HeartLabel``; apex at k = 0, septum towards +I.
        grid: where those voxels lie. Right-handed and free of shear; K runs along the slices' normal.
        source: the grid the labels came from.
        tilt: degrees between the normal of slices that were taken as they are and the heart's long axis; None
            where slices were cut across it, or the labels do not tell.
    """

    labels: NDArray[np.uint8]
    grid: Grid
    source: Grid
    tilt: float | None = None

    def with_labels(self, labels: NDArray[Any]) -> ShortAxis:
        """Return other labels (K, size, size) in the same frame."""
        if labels.shape != self.grid.shape:
            raise ValueError(f"labels have shape {labels.shape}; the frame has {self.grid.shape}")
        return ShortAxis(checked_labels(labels), self.grid, self.source)

    def restore(self, stack: NDArray[Any], *, background: float = 0.0) -> Volume:
        """Return a stack on exactly the grid that the labels came from.

        Args:
            stack: (K, size, size). Integers are labels: each voxel takes the label with the largest share.
                Floats are an image: interpolated linearly, float32.
            background: of an image, where it has no pixels. Labels are 0 there.
        """
        if stack.shape != self.grid.shape:
            raise ValueError(f"stack has shape {stack.shape}; the frame has {self.grid.shape}")
        canonical, orientation = _canonical(self.source)
        index_map = np.linalg.inv(self.grid.ijk_to_ras) @ canonical.ijk_to_ras
        if stack.dtype.kind == "f":
            array: NDArray[Any] = sample_image(stack, index_map, canonical.shape, background)
        else:
            array = sample_labels(checked_labels(stack), index_map, canonical.shape)
        return Volume(np.ascontiguousarray(orientation.restore(array)), self.source.ijk_to_ras)

    def resample(self, image: Volume, *, background: float = 0.0) -> NDArray[np.float32]:
        """Return another image of the same subject in this frame, (K, size, size) float32, linear."""
        canonical, _ = image.canonical()
        index_map = np.linalg.inv(canonical.ijk_to_ras) @ self.grid.ijk_to_ras
        return sample_image(canonical.array, index_map, self.grid.shape, background)


def to_short_axis(
    labels: Volume,
    *,
    size: int = SIZE,
    pixel_mm: float = PIXEL_MM,
    slice_mm: float = SLICE_MM,
    slices: str = "labelled",
    min_slices: int = 1,
    like: ShortAxis | None = None,
) -> ShortAxis:
    """Bring a label map into the frame of the networks.

    Slices of a short-axis stack stay as they are; only within them is resampled. Where there is no such
    stack, slices are cut across the heart's long axis. All 48 ways of storing a label map give the same.

    Args:
        labels: values of ``HeartLabel``, any grid.
        size: pixels a side of the frame.
        pixel_mm: their size.
        slice_mm: how far apart slices are cut where the grid has no slices across the heart.
        slices: "labelled" from the first to the last slice with a label, or "all" of the grid.
        min_slices: how many labelled slices there must be.
        like: the same subject before an edit: its middle and direction are kept, so that pixels which
            were not edited stay what they are.

    Raises:
        InputError: no labels or unknown ones; too few slices, more than 300, or 250 mm of them; slices more
            than 25 mm apart, or unlabelled ones amid the heart; a heart that does not fit the frame, or a
            structure that its pixels do not show.
    """
    if slices not in ("labelled", "all"):
        raise ValueError(f"slices is {slices!r}; it must be 'labelled' or 'all'")
    canonical, _ = labels.canonical()
    canonical = canonical.with_array(checked_labels(canonical.array))
    if not canonical.array.any():
        raise InputError("The segmentation is empty; draw the heart, or choose another segmentation.")
    points = Points.of(canonical)
    axis, normal = stack_axis(canonical, points)
    if like is None:
        pose = Pose.of(points, canonical.grid, axis, normal, size, pixel_mm)
    else:
        pose = Pose.from_grid(like.grid)
        if axis is not None and abs(normal @ pose.normal) < 1 - 1e-6:
            raise InputError("The segmentation's slices no longer lie as before; start again from this one.")
        pose.check_holds(points)
    whole = slices == "all"
    if axis is not None:
        heights, step = _stack_heights(canonical, axis, pose.normal)
        others = tuple(n for n in range(3) if n != 2 - axis)
        order = np.argsort(heights)
        labelled = np.asarray(canonical.array.any(axis=others))[order]
        heights = heights[order][_kept(labelled, step, min_slices, whole)]
    else:
        anchor = (float(like.grid.origin @ pose.normal), like.grid.spacing[2]) if like else None
        heights, step = _cut_heights(canonical.grid, points, pose, slice_mm, anchor, whole)
    grid = pose.grid(heights, step)
    index_map = np.linalg.inv(canonical.ijk_to_ras) @ grid.ijk_to_ras
    stack = sample_labels(canonical.array, index_map, grid.shape)
    _check_seen(points, stack)
    if axis is None:
        kept = _kept(np.asarray(stack.any(axis=(1, 2))), step, min_slices, whole)
        stack, grid = stack[kept], pose.grid(heights[kept], step)
    tilt = None if axis is None else tilt_degrees(Volume(stack, grid.ijk_to_ras))
    return ShortAxis(stack, grid, labels.grid, tilt)


def _check_seen(points: Points, stack: NDArray[np.uint8]) -> None:
    """Nothing.

    Raises:
        InputError: a structure of the source has no pixel in the frame.
    """
    there, seen = (np.bincount(values.ravel(), minlength=4) > 0 for values in (points.values, stack))
    lost = [structure.name for label, structure in STRUCTURES.items() if there[label] and not seen[label]]
    if lost:
        raise InputError(
            f"What is labelled {' and '.join(lost)} is too small to be seen in slices cut through it; label "
            "the whole heart, or check the voxel spacing."
        )


def _canonical(grid: Grid) -> tuple[Volume, Any]:
    """The grid in canonical order, with no voxels of its own, and the way back."""
    return Volume(np.broadcast_to(np.uint8(0), grid.shape), grid.ijk_to_ras).canonical()


def _stack_heights(labels: Volume, axis: int, normal: FloatArray) -> tuple[FloatArray, float]:
    """Place of every slice along the normal in mm, and how far apart they are."""
    step = float(labels.ijk_to_ras[:3, axis] @ normal)
    if abs(step) > MAX_GAP_MM:
        raise InputError(
            f"The slices lie {abs(step):.1f} mm apart, more than {MAX_GAP_MM:g} mm; check the slice spacing, "
            "or use a stack with closer slices."
        )
    heights: FloatArray = float(labels.grid.origin @ normal) + step * np.arange(
        labels.shape[2 - axis], dtype=float
    )
    return heights, abs(step)


def _cut_heights(
    source: Grid,
    points: Points,
    pose: Pose,
    slice_mm: float,
    anchor: tuple[float, float] | None,
    whole: bool,
) -> tuple[FloatArray, float]:
    """Places along the normal where slices are cut, and how far apart.

    Centred on the heart, or where those of ``anchor`` are: the place of one slice, and the distance. The
    ``whole`` source is what lies in it of the line through the middle.
    """
    along = points.ras @ pose.normal
    low, high = float(along.min()), float(along.max())
    _check_length(high - low)
    first, step = anchor or ((low + high - int((high - low) / slice_mm + 1e-6) * slice_mm) / 2, slice_mm)
    if whole:
        start = source.to_ijk(pose.middle)
        per_mm = source.to_ijk(pose.middle + pose.normal) - start
        ends = np.stack([-start, np.asarray(source.shape[::-1]) - 1 - start])
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = np.sort(np.where(np.abs(per_mm) > 1e-9, ends / per_mm, [[-np.inf], [np.inf]]), axis=0)
        height = float(pose.middle @ pose.normal)
        low, high = min(low, height + reach[0].max()), max(high, height + reach[1].min())
    numbers = np.arange(np.ceil((low - first) / step - 1e-6), np.floor((high - first) / step + 1e-6) + 1)
    return (first + step * numbers if len(numbers) else np.array([(low + high) / 2])), step


def _check_length(length: float) -> None:
    if length > MAX_LENGTH_MM:
        raise InputError(
            f"The labels reach over {length:.0f} mm from apex to base, more than any heart; check the slice "
            "spacing, or remove what does not belong to the heart."
        )


def _kept(labelled: NDArray[np.bool_], step: float, min_slices: int, whole: bool) -> slice:
    """From the first to the last labelled slice, or all.

    Raises:
        InputError: too few or too many of them, or a hole.
    """
    found = np.flatnonzero(labelled)
    count = len(found)
    if count < min_slices:
        raise InputError(
            f"Only {count} slice{'' if count == 1 else 's'} of the heart "
            f"{'has' if count == 1 else 'have'} labels, at least {min_slices} are needed; "
            "label more slices."
        )
    first, last = (0, len(labelled) - 1) if whole else (int(found[0]), int(found[-1]))
    if last - first + 1 > MAX_SLICES:
        raise InputError(
            f"There are {last - first + 1} slices, more than {MAX_SLICES}; resample the segmentation to "
            "slices 8 mm apart, or check that it is a short-axis stack."
        )
    holes = int(found[-1] - found[0]) + 1 - count
    if holes:
        gap = np.diff(found).max() * step
        raise InputError(
            f"{holes} slice{' amid the heart has' if holes == 1 else 's amid the heart have'} no label "
            f"(a gap of {gap:.0f} mm); label {'it' if holes == 1 else 'them'}, for example with "
            "'Fill between slices'."
        )
    _check_length(int(found[-1] - found[0]) * step)
    return slice(first, last + 1)
