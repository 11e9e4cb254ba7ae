"""What is measured on a heart's labels: volumes, wall, agreement, the way from one heart to the next."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from SynthLogic.hearts.labels import HeartLabel
from SynthLogic.hearts.sampling import LABELS

_RAYS = 72
_STEP_PIXELS = 0.25


class Thickness(NamedTuple):
    """Of a wall, in mm; NaN where no slice has a closed one."""

    mean: float
    smallest: float
    largest: float


def volumes_ml(
    labels: NDArray[np.uint8], spacing: tuple[float, float, float], *, rule: str = "slices"
) -> dict[HeartLabel, float]:
    """Volume of each structure.

    Args:
        labels: (K, J, I).
        spacing: (I, J, K) in mm.
        rule: "slices": every slice stands for one slice spacing, as in clinical reports. "trapezoid": from
            the middle of the first slice to that of the last; hardly depends on the number of slices, so use
            it to compare a stack of 9 slices with one of 32 over the same length.
    """
    if rule not in ("slices", "trapezoid"):
        raise ValueError(f"rule is {rule!r}; it must be 'slices' or 'trapezoid'")
    weight = np.ones(len(labels))
    if rule == "trapezoid" and len(labels) > 1:
        weight[[0, -1]] = 0.5
    voxel = float(np.prod(spacing)) / 1000
    return {label: float((labels == label).sum(axis=(1, 2)) @ weight) * voxel for label in LABELS}


def ejection_fraction(ed_ml: float, es_ml: float) -> float:
    """Share of the end-diastolic volume that is ejected; NaN without one."""
    return (ed_ml - es_ml) / ed_ml if ed_ml > 0 else float("nan")


def dice(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> dict[HeartLabel, float]:
    """Dice of each structure of two label maps of one shape; NaN for a structure that neither has."""
    if a.shape != b.shape:
        raise ValueError(f"a has shape {a.shape} and b {b.shape}; they must be the same")
    result = {}
    for label in LABELS:
        in_a, in_b = a == label, b == label
        size = int(in_a.sum()) + int(in_b.sum())
        result[label] = 2 * int((in_a & in_b).sum()) / size if size else float("nan")
    return result


def smoothness(stacks: Sequence[NDArray[np.uint8]]) -> float:
    """Largest step over mean step along a sequence of label stacks; 1 is perfectly even.

    A step is 1 - Dice, averaged over the structures that either neighbour has. 1 also where nothing changes.
    """
    changes = [
        1 - np.nanmean([*dice(a, b).values(), *([1.0] if not (a.any() or b.any()) else [])])
        for a, b in pairwise(stacks)
    ]
    mean = float(np.mean(changes)) if changes else 0.0
    return float(np.max(changes)) / mean if mean > 0 else 1.0


def wall_thickness_mm(labels: NDArray[np.uint8], pixel_mm: float) -> Thickness:
    """Thickness of the LV myocardium along 72 rays from the middle of the cavity, to parts of a pixel.

    From the last cavity to the first pixel that is neither; so a RV wall with the same label does not count.
    Only slices count in which myocardium surrounds the cavity on all rays: a slice through the valves has no
    thickness there. Rays are not normal to the wall everywhere: an oval cavity gives a few per cent too much.

    Args:
        labels: (K, J, I) short-axis slices.
        pixel_mm: side of a pixel.
    """
    values = [v for plane in labels if (v := _along_rays(plane)) is not None]
    if not values:
        return Thickness(float("nan"), float("nan"), float("nan"))
    every = np.concatenate(values) * pixel_mm
    return Thickness(float(every.mean()), float(every.min()), float(every.max()))


def _along_rays(plane: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    """Thickness in pixels on each ray, or None if the wall is open or there is no cavity."""
    cavity = plane == HeartLabel.LV_CAVITY
    rows, columns = cavity.sum(axis=1), cavity.sum(axis=0)
    if not rows.any():
        return None
    middle = np.array([(n @ np.arange(len(n))) / n.sum() for n in (rows, columns)])
    angles = np.arange(_RAYS) * (2 * np.pi / _RAYS)
    heart = cavity | (plane == HeartLabel.MYOCARDIUM)
    box = _box(heart)
    reach = np.hypot(*(max(at - side.start, side.stop - at) for at, side in zip(middle, box, strict=True)))
    radii = np.arange(0, reach, _STEP_PIXELS)
    places = middle[:, None, None] + np.stack([np.sin(angles), np.cos(angles)])[:, :, None] * radii
    # A border of nothing, also where the heart reaches the slice's edge.
    places -= np.array([box[0].start, box[1].start])[:, None, None] - 1
    inner, outer = _sampled([np.pad(mask[box], 1) for mask in (cavity, heart)], places)
    endo = _last(inner)
    epi = _first_below(np.where(radii > endo[:, None], outer, 1.0))
    thickness = epi - endo
    return thickness if (endo > 0).all() and (thickness > 0.5).all() else None


def _sampled(masks: Sequence[NDArray[np.bool_]], places: NDArray[np.float64]) -> list[NDArray[np.float32]]:
    """Masks of one shape, whose border is false, linearly at places (2, ..) in pixels; false beyond them."""
    rows, columns = masks[0].shape
    y = places[0].astype(np.float32).clip(0, rows - 1.001)
    x = places[1].astype(np.float32).clip(0, columns - 1.001)
    row, column = y.astype(np.int32), x.astype(np.int32)
    down, right = y - row.astype(np.float32), x - column.astype(np.float32)
    at = row * columns + column
    found = []
    for mask in masks:
        flat = mask.astype(np.float32).ravel()
        above = flat[at] + right * (flat[at + 1] - flat[at])
        below = flat[at + columns] + right * (flat[at + columns + 1] - flat[at + columns])
        found.append(above + down * (below - above))
    return found


def _box(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Smallest box round a mask with two pixels to spare."""
    spans = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    rows, columns = (slice(max(int(span[0]) - 2, 0), int(span[-1]) + 3) for span in spans)
    return rows, columns


def _last(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Place, in pixels, of the last fall below a half along each ray (rays, samples); 0 without one."""
    falls = (values[:, :-1] >= 0.5) & (values[:, 1:] < 0.5)
    found = falls.shape[1] - 1 - falls[:, ::-1].argmax(axis=1)
    rays = np.arange(len(values))
    high, low = values[rays, found], values[rays, found + 1]
    place = (found + (high - 0.5) / np.where(falls[rays, found], high - low, 1)) * _STEP_PIXELS
    return np.where(falls.any(axis=1), place, 0.0)


def _first_below(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Place, in pixels, of the first fall below a half along each ray (rays, samples); 0 without one."""
    low = (values < 0.5).argmax(axis=1)
    rays = np.arange(len(values))
    before, after = values[rays, low - 1], values[rays, low]
    place = (low - 1 + (before - 0.5) / np.where(low > 0, before - after, 1)) * _STEP_PIXELS
    return np.where(low > 0, place, 0.0)
