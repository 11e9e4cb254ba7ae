"""Volumes, walls, agreement, plausibility, and the two plain ways to blend."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from SynthLogic.hearts import (
    HeartLabel,
    blend_distances,
    blend_voxels,
    dice,
    ejection_fraction,
    plausibility,
    positions,
    smoothness,
    spread,
    volumes_ml,
    wall_thickness_mm,
)
from SynthLogic.hearts.rv_wall import without_rv_wall

LV, MYO, RV = HeartLabel.LV_CAVITY, HeartLabel.MYOCARDIUM, HeartLabel.RV_CAVITY
SLICES = arrays(np.uint8, (2, 9, 9), elements=st.integers(0, 3))


def ring(radius=12.0, wall=6.0, rv=True, middle=(31.5, 28.0), size=64):
    y, x = np.indices((size, size))
    r = np.hypot(y - middle[0], x - middle[1])
    plane = np.zeros((size, size), np.uint8)
    if rv:
        plane[np.hypot((y - middle[0]) / 1.2, x - middle[1] - radius - wall) < 10] = RV
    plane[r < radius + wall] = MYO
    plane[r < radius] = LV
    return plane


def test_volumes():
    labels = np.zeros((4, 10, 10), np.uint8)
    labels[:, :5, :4], labels[1:3, 6:8, 0:5] = LV, RV
    found = volumes_ml(labels, (1.5, 2.0, 10.0))
    assert found == {LV: pytest.approx(4 * 20 * 0.03), MYO: 0, RV: pytest.approx(2 * 10 * 0.03)}
    assert volumes_ml(labels, (1.5, 2.0, 10.0), rule="trapezoid")[LV] == pytest.approx(3 * 20 * 0.03)
    assert volumes_ml(labels[:1], (1, 1, 10.0), rule="trapezoid")[LV] == pytest.approx(0.2)
    with pytest.raises(ValueError, match="rule is 'simpson'"):
        volumes_ml(labels, (1, 1, 1), rule="simpson")
    assert ejection_fraction(100.0, 40.0) == 0.6
    assert np.isnan(ejection_fraction(0.0, 0.0))


def test_the_trapezoid_rule_does_not_depend_on_the_number_of_slices():
    cone = [np.stack([ring(radius=4 + 10 * t) for t in positions(n)]) for n in (9, 32)]
    few, many = (volumes_ml(s, (1.5, 1.5, 80 / (len(s) - 1)), rule="trapezoid")[LV] for s in cone)
    assert few == pytest.approx(many, rel=0.02)
    few, many = (volumes_ml(s, (1.5, 1.5, 80 / (len(s) - 1)))[LV] for s in cone)
    assert few > 1.05 * many


@given(a=SLICES, b=SLICES)
def test_dice_law(a, b):
    forth, back = dice(a, b), dice(b, a)
    for label in (LV, MYO, RV):
        if (a == label).any() or (b == label).any():
            assert forth[label] == back[label]
            assert 0 <= forth[label] <= 1
            assert (forth[label] == 1) == ((a == label) == (b == label)).all()
        else:
            assert np.isnan(forth[label])


@settings(max_examples=20, deadline=None)
@given(radius=st.floats(8, 20), wall=st.floats(3, 9), place=st.tuples(st.floats(44, 52), st.floats(44, 52)))
def test_the_wall_of_a_ring_is_as_thick_as_it_was_drawn(radius, wall, place):
    plane = ring(radius, wall, middle=place, size=96)
    found = wall_thickness_mm(plane[None], 1.5)
    # Pixels make a ring a little larger or smaller than it was asked for: what counts is how it came out.
    inner, outer = (np.sqrt(np.isin(plane, labels).sum() / np.pi) for labels in ([LV], [LV, MYO]))
    assert found.mean == pytest.approx(1.5 * (outer - inner), abs=0.15)
    assert found.mean == pytest.approx(1.5 * wall, abs=0.75)
    assert found.smallest <= found.mean <= found.largest
    assert found.largest - found.smallest < 2 * 1.5  # a pixel at each outline


def test_a_heart_at_the_edge_of_a_slice_is_measured_as_amid_it():
    plane = ring(rv=False)
    heart = np.argwhere(plane > 0)
    cut = plane[: heart[:, 0].max() + 1, heart[:, 1].min() :]
    found = wall_thickness_mm(cut[None], 1.5)
    assert found.mean == pytest.approx(wall_thickness_mm(plane[None], 1.5).mean, abs=1e-4)


def test_only_closed_walls_have_a_thickness():
    opened = ring()
    opened[28:36, :28] = np.where(opened[28:36, :28] == MYO, 0, opened[28:36, :28])
    whole = wall_thickness_mm(np.stack([ring(), opened, np.zeros_like(opened)]), 1.5)
    assert whole == wall_thickness_mm(ring()[None], 1.5)
    assert np.isnan(wall_thickness_mm(opened[None], 1.5)).all()


def test_a_further_wall_of_the_same_label_is_not_counted_and_can_be_taken_away():
    plain = ring()
    grown = plain.copy()
    right = np.argwhere(plain == RV)
    for y, x in right:
        around = grown[y - 2 : y + 3, x - 2 : x + 3]
        around[around == 0] = MYO
    assert (grown != plain).any()
    assert wall_thickness_mm(grown[None], 1.5).mean == pytest.approx(
        wall_thickness_mm(plain[None], 1.5).mean, abs=0.6
    )
    cleaned = without_rv_wall(np.stack([grown, plain, np.where(plain == LV, 0, grown)]))
    assert dice(cleaned[0], plain)[MYO] > 0.98
    assert (cleaned[1] == plain).mean() > 0.995
    assert not (cleaned[2] == MYO).any()
    assert (
        without_rv_wall(np.where(plain == RV, 0, plain)[None])[0] == np.where(plain == RV, 0, plain)
    ).all()


def changed(**what):
    plane = ring()
    if "hole" in what:
        plane[30:33, :28] = np.where(plane[30:33, :28] == MYO, 0, plane[30:33, :28])
    if "corner" in what:
        # A pixel that touches the cavity by its corner alone.
        y, x = np.argwhere(plane == LV)[0]
        plane[y - 1, x - 1] = 0
    if "island" in what:
        plane[2:5, 2:5] = what["island"]
    if "apart" in what:
        plane[plane == RV] = 0
        plane[20:40, 56 : 56 + 5] = RV
    if "cut" in what:
        plane[:, 27:29] = np.where(plane[:, 27:29] == LV, MYO, plane[:, 27:29])
    if "without" in what:
        plane[plane == what["without"]] = 0
    return plane


@pytest.mark.parametrize(
    ("plane", "fails"),
    [
        (ring(), ""),
        (ring(rv=False), ""),
        (ring(radius=1.3, wall=4, rv=False), ""),
        (changed(hole=1), "ring"),
        (changed(corner=1), "ring"),
        (changed(island=LV), "cavity ring islands"),
        (changed(island=MYO), "ring islands"),
        (changed(island=RV), "rv islands"),
        (changed(apart=1), "rv"),
        (changed(cut=1), "cavity"),
        (changed(without=LV), "cavity ring"),
        (changed(without=MYO), "ring rv"),
        (np.zeros((64, 64), np.uint8), "cavity ring"),
        (np.ones((64, 64), np.uint8), "ring"),
        (ring(middle=(31.5, 4.0)), "ring"),
    ],
    ids=lambda value: value.replace(" ", "-") or "fine" if isinstance(value, str) else "",
)
def test_plausible_slices(plane, fails):
    found = plausibility(plane)
    bad = {
        "cavity": ~found.one_cavity,
        "ring": ~found.ring_closed,
        "rv": ~found.rv_attached,
        "islands": ~found.no_islands,
    }
    assert {name for name, wrong in bad.items() if wrong[0]} == set(fails.split())
    assert found.plausible[0] == (not fails)
    assert found.ringed[0] == (not {"cavity", "ring"} & set(fails.split()))


@settings(deadline=None)
@given(arrays(np.uint8, (5, 8, 8), elements=st.integers(0, 3)))
def test_slices_are_judged_each_for_itself(slices):
    together = plausibility(slices)
    for n, plane in enumerate(slices):
        for name in ("one_cavity", "ring_closed", "rv_attached", "no_islands"):
            assert getattr(together, name)[n] == getattr(plausibility(plane), name)[0]
    assert plausibility(slices[:0]).plausible.shape == (0,)
    if (slices[0] == 1).any():
        turned = plausibility(np.rot90(slices[0]).copy())
        assert turned.plausible[0] == together.plausible[0]


def test_thousands_of_slices_take_seconds():
    plane = np.pad(ring(), 32)
    many = np.broadcast_to(plane, (1024, 128, 128))
    start = time.process_time()
    assert plausibility(many).plausible.all()
    # 51,200 slices within two minutes.
    assert time.process_time() - start < 2.4


def test_smoothness_is_largest_over_mean_step():
    path = [ring(radius=r)[None] for r in np.linspace(8, 16, 9)]
    assert 1 <= smoothness(path) < 1.3
    assert smoothness([*path[:3], *path[6:]]) > 1.5
    assert smoothness([path[0]] * 4) == 1
    assert smoothness(path[:1]) == 1
    empty = np.zeros_like(path[0])
    assert smoothness([empty, empty, path[0]]) == pytest.approx(2)


A, B = np.stack([ring(8, 5), ring(10, 5)]), np.stack([ring(16, 8, middle=(35, 30)), ring(14, 7, rv=False)])


@pytest.mark.parametrize("blend", [blend_distances, blend_voxels])
def test_blends_start_and_end_with_the_parents(blend):
    assert (blend(A, B, 0.0) == A).all()
    assert (blend(A, B, 1.0) == B).all()
    assert (blend(A, A, 0.3) == A).all()
    few = blend(A, B, 0.4)
    assert few.dtype == np.uint8
    assert few.shape == A.shape
    assert (spread(A, [0.0, 1.0], blend) == A).all()
    assert spread(A, positions(7), blend).shape == (7, 64, 64)
    assert (spread(A[:1], [0.0], blend) == A[:1]).all()


@settings(max_examples=20, deadline=None)
@given(a=SLICES, b=SLICES, t=st.floats(0, 1))
def test_blends_take_nothing_from_elsewhere(a, b, t):
    voxels = blend_voxels(a, b, t)
    assert ((voxels == a) | (voxels == b)).all()
    distances = blend_distances(a, b, t)
    assert not (np.isin(distances, np.union1d(a, b), invert=True) & (distances != 0)).any()
    assert (blend_distances(a, b, 0.0) == a).all()


def test_distances_move_an_outline_where_voxels_jump():
    sizes = [int((blend_distances(A, B, t) == LV)[0].sum()) for t in np.linspace(0, 1, 9)]
    assert (np.diff(sizes) > 0).all()
    jumps = [int((blend_voxels(A, B, t) == LV)[0].sum()) for t in np.linspace(0, 1, 10)]
    assert len(set(jumps)) == 2
