"""Paths in latent space, and the extents that go with them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from SynthLogic.hearts import Extent, along_axis, between, positions, steps, to_short_axis

from .conftest import heart_stack

NUMBERS = st.floats(-5, 5, width=32).map(lambda x: 0.0 if abs(x) < 1e-3 else x)
PAIRS = st.tuples(*[arrays(np.float32, (3, 6), elements=NUMBERS)] * 2)


@given(
    z=st.integers(1, 12).flatmap(lambda k: arrays(np.float32, (k, 4), elements=NUMBERS)),
    count=st.integers(2, 40),
)
def test_along_the_axis_ends_are_exact_and_nothing_overshoots(z, count):
    path = along_axis(z, positions(len(z)), positions(count) if len(z) > 1 else [0.0] * count)
    assert path.shape == (count, 4)
    assert path.dtype == z.dtype
    assert (path[0] == z[0]).all()
    assert (path[-1] == z[-1]).all()
    assert (path >= z.min(axis=0) - 1e-6).all()
    assert (path <= z.max(axis=0) + 1e-6).all()
    assert (along_axis(z, positions(len(z)), positions(len(z))) == z).all()


def test_along_the_axis_is_linear_in_any_shape_and_unit():
    z = np.arange(5.0)[:, None, None] * np.array([[1.0, -2.0]]) + 7
    there = along_axis(z, [0, 10, 20, 30, 40], [5, 17.5, 40])
    assert np.allclose(there[:, 0], [[7.5, 6], [8.75, 3.5], [11, -1]])
    for wrong in ({"positions_to": [41]}, {"positions_to": [-1]}, {"positions_from": [0, 10, 10, 30, 40]}):
        given_ = {"positions_from": [0, 10, 20, 30, 40], "positions_to": [5], **wrong}
        with pytest.raises(ValueError, match=r"must"):
            along_axis(z, **given_)


@given(pair=PAIRS, path=st.sampled_from(["line", "circle"]), t=st.floats(0, 1))
def test_between_two_hearts(pair, path, t):
    a, b = pair
    ends = between(a, b, [0, t, 1], path)
    assert ends.dtype == np.float32
    assert (ends[0] == a).all()
    assert (ends[2] == b).all()
    assert np.isfinite(ends).all()
    assert (between(a, b, t, path) == ends[1]).all()
    assert np.allclose(between(a, b, t, path), between(b, a, 1 - t, path), atol=1e-4)
    assert np.allclose(between(a, a, t, path), a, atol=1e-6)


@given(pair=PAIRS, t=st.floats(0.01, 0.99))
def test_on_the_circle_the_length_is_linear_and_the_angle_even(pair, t):
    a, b = (z.astype(np.float64) for z in pair)
    lengths = [np.linalg.norm(z, axis=1) for z in (a, b)]
    cosine = ((a * b).sum(axis=1) / np.maximum(lengths[0] * lengths[1], 1e-12)).clip(-1, 1)
    curved = (np.minimum(*lengths) > 1e-3) & (np.abs(cosine) < 0.999)
    z = between(a, b, t, "circle")
    assert np.allclose(np.linalg.norm(z, axis=1)[curved], ((1 - t) * lengths[0] + t * lengths[1])[curved])
    turned = (a * z).sum(axis=1) / np.maximum(lengths[0] * np.linalg.norm(z, axis=1), 1e-12)
    assert np.allclose(np.arccos(turned.clip(-1, 1))[curved], (t * np.arccos(cosine))[curved], atol=1e-5)
    assert np.allclose(
        z[~curved & (cosine > 0.9999999)], between(a, b, t)[~curved & (cosine > 0.9999999)], atol=0.05
    )


def test_without_a_circle_the_line_is_taken():
    a = np.array([[1.0, 0], [0, 0], [1, 0], [2, 0]])
    b = np.array([[3.0, 0], [0, 4], [-1, 0], [0, 2]])
    assert np.allclose(between(a, b, 0.25, "circle")[:3], between(a, b, 0.25)[:3])
    assert np.allclose(between(a, b, 0.5, "circle")[3], [np.sqrt(2), np.sqrt(2)])
    one = between(np.array([1.0, 0]), np.array([0, 1.0]), 0.5, "circle")
    assert np.allclose(one, np.sqrt(0.5))


def test_wrong_paths():
    z = np.zeros((2, 3))
    for arguments in ((z, z, 0.5, "detour"), (z, z[:1], 0.5), (z, z, 1.5), (z, z, [[0.5]]), (z, z, np.nan)):
        with pytest.raises(ValueError, match=r"must be"):
            between(*arguments)


def test_steps_leave_the_parents_out():
    assert steps(8) == pytest.approx(np.arange(1, 9) / 9)
    assert steps(1).tolist() == [0.5]
    assert steps(0).tolist() == []
    assert positions(1).tolist() == [0.0]


def test_extents_give_volumes_a_meaning():
    a, b = (to_short_axis(heart_stack(slice_mm=mm, shape=(12, 120, 120))) for mm in (8.0, 10.0))
    first, second = Extent.of(a), Extent.of(b)
    assert first.length_mm == pytest.approx((len(a.labels) - 1) * 8)
    assert first.spacing(len(a.labels)) == pytest.approx(a.grid.spacing)
    assert first.between(second, 0) == first
    assert first.between(second, 1) == second
    middle = first.between(second, 0.5)
    assert middle.length_mm == pytest.approx((first.length_mm + second.length_mm) / 2)
    assert middle.slice_mm(32) == pytest.approx(middle.length_mm / 31)
    assert Extent(0.0, 1.5, 9.0).slice_mm(1) == 9
    assert Extent.of(a.with_labels(np.zeros_like(a.labels))).length_mm == 0


def test_32_slices_lie_where_the_parents_were():
    heart = to_short_axis(heart_stack(seed=4))
    grid = Extent.of(heart).grid(32, heart.grid)
    assert grid.shape == (32, 128, 128)
    assert grid.origin == pytest.approx(heart.grid.origin)
    last = (0, 0, len(heart.labels) - 1)
    assert grid.to_ras((0, 0, 31)) == pytest.approx(heart.grid.to_ras(last))
    assert Extent.of(heart).grid(len(heart.labels), heart.grid).is_close(heart.grid)
