"""The frame of the networks and the exact way back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from SynthLogic.benchmarks.geometry import stored_variants
from SynthLogic.hearts import HeartLabel, dice, to_short_axis, volumes_ml
from SynthLogic.hearts.frame import TO_APEX, TO_SEPTUM
from SynthLogic.volume import Volume

from .conftest import heart_stack, turned

SHEAR = np.array([[1, 0, 0.4], [0, 1, -0.7], [0, 0, 1]])


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    spin=st.floats(-3.2, 3.2),
    pixel=st.floats(1.3, 1.5),
    slice_mm=st.floats(8, 18),
    storage=st.integers(0, 47),
    shift=st.tuples(st.floats(-20, 20), st.floats(-20, 20)),
)
def test_there_and_back(seed, spin, pixel, slice_mm, storage, shift):
    stack = heart_stack(
        pixel=pixel, slice_mm=slice_mm, shape=(9, 150, 150), spin=spin, seed=seed, shift=shift
    )
    stored = list(stored_variants(stack))[storage]
    heart = to_short_axis(stored)
    back = heart.restore(heart.labels)
    assert back.shape == stored.shape
    assert (back.ijk_to_ras == stored.ijk_to_ras).all()
    assert min(dice(back.array, stored.array).values()) >= 0.97
    assert np.linalg.det(heart.grid.ijk_to_ras[:3, :3]) > 0
    assert heart.grid.spacing == pytest.approx((1.5, 1.5, slice_mm))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), spin=st.floats(-3.2, 3.2), rv=st.booleans())
def test_a_stack_that_lies_in_the_frame_is_left_alone(seed, spin, rv):
    heart = to_short_axis(heart_stack(seed=seed, spin=spin, rv=rv))
    for stored in list(stored_variants(Volume(heart.labels, heart.grid.ijk_to_ras)))[seed % 8 :: 8]:
        again = to_short_axis(stored)
        assert again.grid.is_close(heart.grid, 1e-6)
        assert (again.labels == heart.labels).all()
        assert (again.restore(again.labels).array == stored.array).all()
        noise = np.random.default_rng(seed).normal(size=heart.labels.shape).astype(np.float32)
        assert np.allclose(again.resample(again.restore(noise)), noise, atol=1e-5)


@pytest.mark.parametrize("shear", [np.eye(3), SHEAR], ids=["straight", "sheared"])
def test_48_storages_give_one_heart(shear):
    stack = heart_stack(slice_mm=9.0, seed=3, shape=(7, 100, 94), length=60.0, radius=20.0)
    stack = Volume(stack.array, stack.ijk_to_ras @ _with_corner(shear))
    image = stack.with_array(np.random.default_rng(0).normal(size=stack.shape).astype(np.float32))
    first = to_short_axis(stack)
    labels, pixels = first.restore(first.labels), first.resample(image)
    pictures = [v.array for v in stored_variants(image)]
    backs = [v.array for v in stored_variants(labels)]
    for stored, picture, expected in zip(stored_variants(stack), pictures, backs, strict=True):
        heart = to_short_axis(stored)
        assert (heart.labels == first.labels).all()
        assert heart.grid.is_close(first.grid, 1e-6)
        assert (heart.restore(heart.labels).array == expected).all()
        assert np.allclose(heart.resample(stored.with_array(picture)), pixels, atol=1e-4)


def _with_corner(matrix):
    result = np.eye(4)
    result[:3, :3] = matrix
    return result


@pytest.mark.parametrize("seed", range(8))
def test_septum_is_towards_i_and_apex_first_however_the_patient_lies(seed):
    heart = to_short_axis(heart_stack(seed=seed, spin=seed))
    assert heart.labels.shape[1:] == (128, 128)
    areas = (heart.labels == HeartLabel.LV_CAVITY).sum(axis=(1, 2))
    assert areas[0] < 0.6 * areas[-1]
    right, left = (
        np.argwhere(heart.labels == label).mean(axis=0)
        for label in (HeartLabel.RV_CAVITY, HeartLabel.LV_CAVITY)
    )
    assert right[2] - left[2] > 15
    assert abs(right[1] - left[1]) < 1
    middle = np.argwhere(np.isin(heart.labels, (1, 2))).mean(axis=0)
    assert middle[1:] == pytest.approx((63.5, 63.5), abs=0.5)
    # J completes a right-handed frame: a mirrored heart would have its right ventricle's bulk elsewhere.
    assert heart.grid.direction[:, 2] == pytest.approx(turned(seed)[:, 2], abs=1e-6)


def test_without_labels_that_tell_the_patient_decides():
    """A straight tube without right ventricle: apex and septum are where they are in most patients."""
    down = TO_APEX / np.linalg.norm(TO_APEX)
    side = np.cross(down, [0.0, 0, 1])
    orientation = np.stack([side, np.cross(down, side), down], axis=1)
    _, j, i = np.indices((6, 100, 100))
    tube = np.where(np.hypot(i - 50, j - 47) < 15, 1, np.where(np.hypot(i - 50, j - 47) < 21, 2, 0))
    matrix = _with_corner(orientation * (1.4, 1.4, 9.0))
    heart = to_short_axis(Volume(tube.astype(np.uint8), matrix))
    assert heart.grid.direction[:, 2] @ down == pytest.approx(-1)
    assert heart.grid.direction[:, 0] @ TO_SEPTUM > 0.8
    assert heart.labels.shape == (6, 128, 128)


def test_only_a_cavity_or_only_a_right_ventricle_is_enough():
    stack = heart_stack(seed=5)
    for label in HeartLabel:
        if label:
            heart = to_short_axis(stack.with_array(np.where(stack.array == label, label, 0).astype(np.uint8)))
            assert set(np.unique(heart.labels)) == {0, label}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [{}, {"radius": 34.0, "length": 70.0, "wall": 7.0}], ids=["normal", "round"])
def test_slices_are_cut_across_an_isotropic_heart(seed, size):
    """The long axis is found from labels, however the array lies in the heart."""
    k, j, i = np.indices((64, 64, 64))
    places = (np.stack([i, j, k], axis=-1) - 31.5) * 2.4
    turn = turned(seed)
    from .conftest import heart_at

    labels = heart_at(places @ turn + np.array([0, 0, -35.0]), **size)
    volume = Volume(labels, np.diag([2.4, 2.4, 2.4, 1.0]))
    heart = to_short_axis(volume)
    towards_base = turn[:, 2]
    assert heart.grid.direction[:, 2] @ towards_base > np.cos(np.radians(20))
    assert heart.grid.spacing == pytest.approx((1.5, 1.5, 8.0))
    true, cut = volumes_ml(labels, volume.spacing), volumes_ml(heart.labels, heart.grid.spacing)
    for label, volume_ml in true.items():
        assert cut[label] == pytest.approx(volume_ml, rel=0.08)
    for stored in list(stored_variants(volume))[7::30]:
        assert (to_short_axis(stored).labels == heart.labels).all()


def test_an_axis_of_the_array_near_the_hearts_is_taken():
    k, j, i = np.indices((70, 80, 80))
    from .conftest import heart_at

    places = np.stack([i - 39.5, j - 39.5, k - 64], axis=-1) * 1.5
    tilt = np.radians(6)
    turn = np.array([[np.cos(tilt), 0, np.sin(tilt)], [0, 1, 0], [-np.sin(tilt), 0, np.cos(tilt)]])
    heart = to_short_axis(Volume(heart_at(places @ turn), np.diag([1.5, 1.5, 1.5, 1])))
    assert abs(heart.grid.direction[:, 2] @ (0, 0, 1)) == pytest.approx(1)


def test_32_thin_slices_stay_32_slices():
    stack = heart_stack(slice_mm=2.6, shape=(34, 140, 140))
    assert to_short_axis(stack).labels.shape[0] == int(stack.array.any(axis=(1, 2)).sum())


def test_thick_axial_slices_are_no_short_axis():
    """Five millimetres apart and oblique to the heart: cut anew."""
    from .conftest import heart_at

    tilt = np.radians(60)
    turn = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    k, j, i = np.indices((34, 90, 90))
    places = np.stack([(i - 45) * 1.5, (j - 45) * 1.5, (k - 17) * 5.0], axis=-1)
    heart = to_short_axis(Volume(heart_at(places @ turn - [0, 0, 35.0]), np.diag([1.5, 1.5, 5.0, 1])))
    assert abs(heart.grid.direction[:, 2] @ turn[:, 2]) > np.cos(np.radians(15))


def cut(tilt, way, slice_mm, only=None, **sizes):
    """A stack whose slices are ``tilt`` degrees off, in the direction ``way``."""
    from .conftest import heart_at

    a, b = np.radians(tilt), way
    down = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    round_ = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    count = int(180 / slice_mm)
    k, j, i = np.indices((count, 100, 100))
    places = np.stack([(i - 50) * 1.5, (j - 50) * 1.5, (k - count / 2 + 0.3) * slice_mm], axis=-1)
    labels = heart_at(places @ (round_ @ down @ round_.T).T - [0, 0, 35.0], **sizes)
    labels = labels if only is None else np.where(labels == only, labels, 0).astype(np.uint8)
    return Volume(labels, np.diag([1.5, 1.5, slice_mm, 1]))


SIZES = [{}, {"rv": False}, {"radius": 34.0, "length": 80.0, "wall": 7.0}, {"radius": 34.0, "length": 70.0}]


@pytest.mark.parametrize("sizes", SIZES, ids=["normal", "no-rv", "dilated", "round"])
@pytest.mark.parametrize("slice_mm", [6.0, 8.0, 12.0])
@pytest.mark.parametrize("way", [0.0, 2.0, 4.0])
def test_how_far_thick_slices_are_off_the_hearts_axis(sizes, slice_mm, way):
    for tilt in (40, 60, 90):
        assert to_short_axis(cut(tilt, way, slice_mm, **sizes)).tilt > 33
    for tilt in (0, 10):
        assert to_short_axis(cut(tilt, way, slice_mm, **sizes)).tilt < 20


@pytest.mark.parametrize("tilt", [40, 60, 90])
def test_a_cavity_alone_tells_it_as_well(tilt):
    assert to_short_axis(cut(tilt, 1.0, 8.0, only=1)).tilt == pytest.approx(tilt, abs=8)


@pytest.mark.parametrize("sizes", SIZES, ids=["normal", "no-rv", "dilated", "round"])
@pytest.mark.parametrize("only", [None, 1])
def test_no_part_of_a_good_stack_seems_tilted(sizes, only):
    """A few slices, those near the apex alone, a cavity alone: wider than long, and yet across the heart."""
    stack = cut(10, 1.0, 9.0, only=only, **sizes)
    found = np.flatnonzero(stack.array.any(axis=(1, 2)))
    for first in found:
        for last in found[found >= first]:
            part = np.zeros_like(stack.array)
            part[first : last + 1] = stack.array[first : last + 1]
            if (part == 1).sum() > 50 and (only or (part == 2).sum() > 50):
                assert (to_short_axis(stack.with_array(part)).tilt or 0) < 28


def test_slices_that_were_cut_have_no_tilt():
    stack = heart_stack(slice_mm=1.4, shape=(70, 150, 140))
    assert to_short_axis(stack).tilt is None


def test_unlabelled_ends_are_left_out_or_kept():
    stack = heart_stack(shape=(14, 120, 120), length=60.0)
    labelled = int(stack.array.any(axis=(1, 2)).sum())
    assert labelled < 14
    heart, whole = to_short_axis(stack), to_short_axis(stack, slices="all")
    assert heart.labels.shape[0] == labelled
    assert whole.labels.shape[0] == 14
    ones = [h.restore(np.ones(h.labels.shape, np.float32)).array.any(axis=(1, 2)) for h in (heart, whole)]
    assert ones[0].sum() == labelled
    assert ones[1].all()
    isotropic = Volume(stack.array, np.diag([8.0, 8, 8, 1]) @ np.diag([0.2, 0.2, 1.0, 1]))
    assert to_short_axis(isotropic, slices="all").labels.shape[0] == 14


def test_an_edit_changes_only_what_was_edited():
    stack = heart_stack(seed=2)
    before = to_short_axis(stack)
    edited = stack.array.copy()
    edited[6][(edited[6] == 0) & np.roll(edited[6] == 2, 6, axis=1)] = 2
    labelled = np.flatnonzero(stack.array.any(axis=(1, 2)))
    edited[labelled[-1]] = 0
    after = to_short_axis(stack.with_array(edited), like=before)
    same = (edited == stack.array).all(axis=(1, 2))[labelled[:-1]]
    assert same.sum() == len(labelled) - 2
    assert after.grid.origin == pytest.approx(before.grid.origin)
    assert (after.labels[same] == before.labels[:-1][same]).all()
    assert len(after.labels) == len(before.labels) - 1
    assert not to_short_axis(stack.with_array(edited)).grid.is_close(after.grid)


def test_an_edit_of_an_isotropic_heart_keeps_its_slices():
    from .conftest import heart_at

    k, j, i = np.indices((70, 80, 80))
    labels = heart_at(np.stack([i - 39.5, j - 39.5, k - 64], axis=-1) * 1.5 @ turned(4))
    volume = Volume(labels, np.diag([1.5, 1.5, 1.5, 1]))
    before = to_short_axis(volume)
    after = to_short_axis(volume.with_array(np.where(labels == 3, 0, labels).astype(np.uint8)), like=before)
    at = np.rint(before.grid.to_ijk(after.grid.origin)).astype(int)
    assert before.grid.to_ijk(after.grid.origin) == pytest.approx(at, abs=1e-6)
    kept = before.labels[at[2] : at[2] + len(after.labels)]
    assert (after.labels[kept != 3] == kept[kept != 3]).all()


def test_images_are_sampled_where_the_labels_are():
    """A linear ramp is what it is everywhere, so places can be read off the image."""
    stack = heart_stack(seed=9)
    k, j, i = np.indices(stack.shape)
    places = stack.grid.to_ras(np.stack([i, j, k], axis=-1))
    heart = to_short_axis(stack)
    k, j, i = np.indices(heart.grid.shape)
    there = heart.grid.to_ras(np.stack([i, j, k], axis=-1))
    inside = (
        np.abs(stack.grid.to_ijk(there) - (np.array(stack.shape[::-1]) - 1) / 2) <= np.array([69, 74, 5])
    ).all(-1)
    for axis in range(3):
        ramp = heart.resample(stack.with_array(places[..., axis].astype(np.float32)))
        assert np.allclose(ramp[inside], there[..., axis][inside], atol=1e-3)
    outside = (
        np.abs(stack.grid.to_ijk(there) - (np.array(stack.shape[::-1]) - 1) / 2) > np.array([71, 76, 9])
    ).any(-1)
    filled = heart.resample(stack.with_array(np.ones(stack.shape, np.float32)), background=-5)
    assert (filled[outside] == -5).all()


def test_a_right_ventricle_on_the_edge_still_fits():
    """Centred on the left ventricle it would be cut; the frame moves."""
    stack = heart_stack(shape=(8, 190, 190), spin=0.0, shift=(0, 0))
    wide = stack.array.copy()
    wide[4, 90:98, 95:170] = 3
    heart = to_short_axis(stack.with_array(wide))
    assert (heart.restore(heart.labels).array[4, 92:96, 130:168] == 3).all()
