"""What is measured on a heart's labels: volumes, wall, agreement, the way from one heart to the next."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from SynthLogic.hearts.box import box_of
from SynthLogic.hearts.labels import HeartLabel
from SynthLogic.hearts.sampling import LABELS

_RAYS = 72
_STEP_PIXELS = 0.5
# Slices measured together: as many as stay in a CPU's cache.
_TOGETHER = 4


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
    shown = labels[(labels == HeartLabel.LV_CAVITY).any(axis=(1, 2))]
    values = [_along_rays(shown[k : k + _TOGETHER]) for k in range(0, len(shown), _TOGETHER)]
    every = np.concatenate([np.empty((0, _RAYS)), *values]) * pixel_mm
    if not len(every):
        return Thickness(float("nan"), float("nan"), float("nan"))
    return Thickness(float(every.mean()), float(every.min()), float(every.max()))


def _along_rays(planes: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Thickness in pixels (slices, rays) where the wall is closed, of slices (K, J, I) with a cavity each."""
    cavity = planes == HeartLabel.LV_CAVITY
    heart = cavity | (planes == HeartLabel.MYOCARDIUM)
    box = box_of(heart.any(axis=0))
    assert box is not None  # every slice has a cavity
    # A border of nothing, also where the heart reaches the slice's edge.
    cavity, heart = (np.pad(mask[:, box[0], box[1]], ((0, 0), (1, 1), (1, 1))) for mask in (cavity, heart))
    sums = [cavity.sum(axis=axis) for axis in (2, 1)]
    middle = np.stack([(n @ np.arange(n.shape[1])) / n.sum(axis=1) for n in sums])
    farthest = [np.maximum(at, size - 1 - at) for at, size in zip(middle, heart.shape[1:], strict=True)]
    radii = np.arange(0, float(np.hypot(*farthest).max()), _STEP_PIXELS, dtype=np.float32)
    angles = np.arange(_RAYS) * (2 * np.pi / _RAYS)
    ways = np.stack([np.sin(angles), np.cos(angles)]).astype(np.float32)
    places = middle.astype(np.float32)[:, :, None, None] + (ways[:, :, None] * radii)[:, None]
    inner, outer = _sampled((cavity, heart), places)
    endo = _last(inner)
    epi = _first_below(np.where(radii > endo[..., None], outer, np.float32(1)))
    thickness = epi - endo
    return thickness[((endo > 0) & (thickness > 0.5)).all(axis=1)]


def _sampled(masks: Sequence[NDArray[np.bool_]], places: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Masks (K, rows, columns), whose border is false, linearly at places (2, K, ..); false beyond them."""
    count, rows, columns = masks[0].shape
    y, x = places[0].clip(0, rows - 1.001), places[1].clip(0, columns - 1.001)
    row, column = y.astype(np.int32), x.astype(np.int32)
    down, right = y - row, x - column
    first = np.arange(count, dtype=np.int32) * (rows * columns)
    at = first.reshape(-1, *[1] * (y.ndim - 1)) + row * columns + column
    found = []
    for mask in masks:
        flat = mask.astype(np.float32).ravel()
        above = flat[at]
        above += right * (flat[at + 1] - above)
        below = flat[at + columns]
        below += right * (flat[at + columns + 1] - below)
        found.append(above + down * (below - above))
    return found


def _last(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Place, in pixels, of the last fall below a half along each ray (.., samples); 0 without one."""
    high = values >= 0.5
    falls = high[..., :-1] & ~high[..., 1:]
    found = falls.shape[-1] - 1 - falls[..., ::-1].argmax(axis=-1)
    return np.where(falls.any(axis=-1), _crossing(values, found), 0.0)


def _first_below(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Place, in pixels, of the first fall below a half along each ray (.., samples); 0 without one."""
    low = (values < 0.5).argmax(axis=-1)
    return np.where(low > 0, _crossing(values, np.maximum(low - 1, 0)), 0.0)


def _crossing(values: NDArray[np.float32], found: NDArray[np.intp]) -> NDArray[np.float64]:
    """Where between sample ``found`` and the next one the values are a half, in pixels from the first."""
    before, after = (np.take_along_axis(values, n[..., None], -1)[..., 0] for n in (found, found + 1))
    fall = before - after
    return (found + (before - 0.5) / np.where(fall > 0, fall, 1)) * _STEP_PIXELS
