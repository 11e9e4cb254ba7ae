"""Sizes of what lies between two hearts: held between theirs, and otherwise left alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from SynthLogic.hearts import HeartLabel, Sizes, held_between, volumes_ml, wall_thickness_mm

SPACING = (1.5, 1.5, 4.0)
SLICES, SIZE = 6, 96


class Rings:
    """Round hearts whose outlines move with the bias, as logits of distances do."""

    def __init__(self, cavity: float, wall: float, right: float = 14.0) -> None:
        self.radii, self.asked = (cavity, cavity + wall, right), 0
        self.j, self.i = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2 + 0.1234

    def logits(self, bias: np.ndarray) -> np.ndarray:
        cavity, outside, right = self.radii
        own = np.hypot(self.j, self.i)
        other = np.hypot(self.j, self.i - outside - right + 3)
        heart = np.minimum(outside - own, 4.0)
        inner = heart + 2 * (cavity - own)
        return np.stack([np.zeros_like(own), inner, heart, np.minimum(right - other, 3.0)]) + np.concatenate(
            [[0], bias]
        ).reshape(-1, 1, 1)

    def labels(self, bias: np.ndarray | None = None) -> np.ndarray:
        self.asked += 1
        plane = self.logits(np.zeros(3) if bias is None else bias).argmax(0).astype(np.uint8)
        return np.repeat(plane[None], SLICES, axis=0)

    def slopes(self, bias: np.ndarray) -> np.ndarray:
        shares = np.exp(self.logits(bias))
        shares = (shares / shares.sum(0))[1:].reshape(3, -1)
        return np.diag(shares.sum(1)) - shares @ shares.T


def sizes(rings: Rings) -> Sizes:
    return Sizes.of(rings.labels(), SPACING)


def test_sizes_are_volumes_and_wall():
    labels = Rings(12, 7).labels()
    found = Sizes.of(labels, SPACING)
    volumes = volumes_ml(labels, SPACING, rule="trapezoid")
    wanted = [volumes[x] for x in (HeartLabel.LV_CAVITY, HeartLabel.MYOCARDIUM, HeartLabel.RV_CAVITY)]
    np.testing.assert_array_equal(found.as_array(), [*wanted, wall_thickness_mm(labels, 1.5).mean])


def test_what_lies_between_is_left_alone():
    between = Rings(14, 7.5)
    labels = held_between(between, SPACING, sizes(Rings(12, 7)), sizes(Rings(16, 8)))
    assert between.asked == 1
    np.testing.assert_array_equal(labels, Rings(14, 7.5).labels())


@settings(max_examples=25, deadline=None)
@given(
    cavity=st.floats(11, 17),
    wall=st.floats(6, 9),
    more=st.tuples(st.floats(-0.5, 0.5), st.floats(-0.4, 0.4), st.floats(-0.6, 0.6)),
    apart=st.floats(0.8, 2),
)
def test_a_little_beyond_comes_back(cavity, wall, more, apart):
    """Parents apart by some pixels; what lies between them is a little outside of their range."""
    a, b = Rings(cavity, wall), Rings(cavity + apart, wall + 0.5, 15.5)
    between = Rings(*(v + m for v, m in zip((b.radii[0], wall + 0.5, 15.5), more, strict=True)))
    before = sizes(between).as_array()
    ends = np.stack([sizes(a).as_array(), sizes(b).as_array()])
    labels = held_between(between, SPACING, sizes(a), sizes(b))
    after = Sizes.of(labels, SPACING).as_array()

    def excess(found):
        return np.maximum(np.maximum(ends.min(0) - found, found - ends.max(0)), 0) / ends.max(0)

    assert excess(after).sum() <= excess(before).sum()
    # A step of an outline by one pixel is the least that can change.
    assert excess(after).max() < 0.03


@pytest.mark.parametrize("missing", [HeartLabel.RV_CAVITY, HeartLabel.MYOCARDIUM])
def test_a_structure_that_nobody_has(missing):
    class Without(Rings):
        def logits(self, bias):
            logits = super().logits(bias)
            logits[missing] = -50
            return logits

    a, b, between = Without(12, 7), Without(15, 8), Without(15.4, 8)
    labels = held_between(between, SPACING, sizes(a), sizes(b))
    assert not (labels == missing).any()
    volume = volumes_ml(labels, SPACING, rule="trapezoid")[HeartLabel.LV_CAVITY]
    assert sizes(a).volumes_ml[0] <= volume <= sizes(b).volumes_ml[0]
