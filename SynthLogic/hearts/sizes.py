"""Volumes and wall of a heart in between, held between those of its two parents.

The way through latent space is smooth, but not monotone in every size: where two parents are nearly as large,
what lies between them would be larger or smaller than both by about one per cent. Then the thresholds between
labels are moved a little, for the whole heart alike, until it lies between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from SynthLogic.hearts.labels import HeartLabel
from SynthLogic.hearts.measures import volumes_ml, wall_thickness_mm
from SynthLogic.hearts.sampling import LABELS
from SynthLogic.hearts.tidy import without_islands

FloatArray = NDArray[np.float64]
_TRIES = 6
# Aimed at is a place so far inside the range, as part of its width.
_INSIDE = 0.02
# Thresholds move by so much in one try, and altogether, in nats.
_STEP, _FARTHEST = 1.0, 3.0
_LV, _MYO = LABELS.index(HeartLabel.LV_CAVITY), LABELS.index(HeartLabel.MYOCARDIUM)


class Drawing(Protocol):
    """A heart's slices whose labels are not decided yet."""

    def labels(self, bias: FloatArray | None = None) -> NDArray[np.uint8]:
        """The likeliest labels (K, J, I), if each of ``LABELS`` is favoured by its ``bias`` in nats."""
        ...

    def slopes(self, bias: FloatArray) -> FloatArray:
        """(3, 3): how each structure's mean area in pixels grows with each label's bias."""
        ...


@dataclass(frozen=True)
class Sizes:
    """How large a heart is.

    Attributes:
        volumes_ml: (3,) of ``LABELS``, by the trapezoid rule.
        wall_mm: mean thickness of the LV myocardium; NaN where no slice has a closed one.
    """

    volumes_ml: FloatArray
    wall_mm: float

    @classmethod
    def of(cls, labels: NDArray[np.uint8], spacing: tuple[float, float, float]) -> Sizes:
        """Measure labels (K, J, I) with spacing (I, J, K) in mm and square pixels."""
        volumes = volumes_ml(labels, spacing, rule="trapezoid")
        wall = wall_thickness_mm(labels, spacing[0]).mean
        return cls(np.array([volumes[label] for label in LABELS]), wall)

    def as_array(self) -> FloatArray:
        """(4,): volumes and wall."""
        return np.append(self.volumes_ml, self.wall_mm)


def held_between(
    drawing: Drawing, spacing: tuple[float, float, float], a: Sizes, b: Sizes
) -> NDArray[np.uint8]:
    """Labels of a heart in between, tidied, with sizes between the parents'.

    Nothing is moved where they lie between them anyway. Where not all of them can be held, the labels with
    the least excess are given.

    Args:
        drawing: the heart in between.
        spacing: (I, J, K) of its slices in mm.
        a: of one parent, decoded like this heart.
        b: of the other.

    Returns:
        (K, J, I), values of ``HeartLabel``.
    """
    ends = np.stack([a.as_array(), b.as_array()])
    low, high = ends.min(axis=0), ends.max(axis=0)
    bias = np.zeros(len(LABELS))
    best, least = None, np.inf
    for number in range(_TRIES):
        labels = without_islands(drawing.labels(bias if number else None))
        found = Sizes.of(labels, spacing).as_array()
        excess = float(
            np.nansum(np.maximum(np.maximum(low - found, found - high), 0) / np.maximum(high, 1e-9))
        )
        if excess < least:
            best, least = labels, excess
        if excess == 0 or number == _TRIES - 1:
            break
        change = _wanted(found, low, high, spacing, len(labels))
        pixel_ml = spacing[0] * spacing[1] * spacing[2] * max(len(labels) - 1, 1) / 1000
        slopes = drawing.slopes(bias) + 1e-3 * np.eye(len(bias))
        step = np.linalg.solve(slopes, change / pixel_ml)
        bias = np.clip(bias + np.clip(step, -_STEP, _STEP), -_FARTHEST, _FARTHEST)
    assert best is not None
    return best


def _wanted(
    found: FloatArray, low: FloatArray, high: FloatArray, spacing: tuple[float, float, float], slices: int
) -> FloatArray:
    """(3,): by how many ml each structure should change, so that volumes and wall come to lie inside."""
    margin = _INSIDE * (high - low)
    aim = np.clip(found, low + margin, high - margin)
    change = np.asarray(aim[:3] - found[:3])
    thicker = aim[3] - found[3]
    if np.isnan(thicker) or low[3] <= found[3] <= high[3]:
        return change
    # The wall as a tube round the cavity's mean circle: what a thicker one needs in myocardium.
    length = spacing[2] * max(slices - 1, 1)
    radius = np.sqrt(max(found[_LV], 0.0) * 1000 / (np.pi * max(length, 1e-9)))
    needed = thicker * 2 * np.pi * (radius + found[3] / 2) * length / 1000
    myocardium = np.clip(found[_MYO] + needed, low[_MYO] + margin[_MYO], high[_MYO] - margin[_MYO])
    change[_MYO] = myocardium - found[_MYO]
    # What the myocardium may not give, the cavity does.
    rest = needed - change[_MYO]
    if rest:
        cavity = np.clip(found[_LV] - rest, low[_LV] + margin[_LV], high[_LV] - margin[_LV])
        change[_LV] = cavity - found[_LV]
    return change
