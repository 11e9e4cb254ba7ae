import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from SynthLogic.errors import InputError
from SynthLogic.volume import Volume

ANGLES = [
    (0, 0, 0),
    (12, -20, 33),
    (0, 0, 45),
    (45, 0, 0),
    (0, 45, 45),
    (30, 45, 60),
    (90, 0, 0),
    (45, 45, 45),
]


@pytest.mark.parametrize("angles", ANGLES)
def test_all_48_ways_of_storing_give_one_canonical_volume(make_volume, stored_ways, angles):
    volume = make_volume(angles=angles)
    reference, _ = volume.canonical()
    count = 0
    for stored in stored_ways(volume):
        canonical, orientation = stored.canonical()
        np.testing.assert_array_equal(canonical.array, reference.array)
        np.testing.assert_allclose(canonical.ijk_to_ras, reference.ijk_to_ras, rtol=0, atol=1e-9)
        assert np.shares_memory(canonical.array, stored.array)
        restored = orientation.restore(canonical.array)
        np.testing.assert_array_equal(restored, stored.array)
        assert np.shares_memory(restored, stored.array)
        count += 1
    assert count == 48


def test_canonical_axes_point_to_right_anterior_superior(make_volume, stored_ways):
    for stored in stored_ways(make_volume()):
        direction = stored.canonical()[0].grid.direction
        assert (np.abs(direction).argmax(axis=0) == (0, 1, 2)).all()
        assert (np.diag(direction) > 0).all()


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.floats(-180, 180)] * 3), st.integers(0, 47))
def test_canonical_moves_no_voxel_in_the_world(make_volume, stored_ways, angles, way):
    volume = make_volume(shape=(2, 3, 4), angles=angles)
    stored = list(stored_ways(volume))[way]
    canonical, _ = stored.canonical()
    for ijk in np.ndindex(4, 3, 2):
        value = volume.array[ijk[::-1]]
        k, j, i = np.argwhere(canonical.array == value)[0]
        np.testing.assert_allclose(canonical.grid.to_ras((i, j, k)), volume.grid.to_ras(ijk), atol=1e-9)
    np.testing.assert_array_equal(canonical.array, volume.canonical()[0].array)


def test_parent_transform_moves_voxels(make_volume):
    volume = make_volume()
    parent = make_volume(spacing=(2, 2, 2), angles=(5, 60, 0), origin=(10, 20, 30)).ijk_to_ras
    moved = volume.under(parent)
    expected = parent @ np.append(volume.grid.to_ras((1, 2, 3)), 1)
    np.testing.assert_allclose(moved.grid.to_ras((1, 2, 3)), expected[:3])
    np.testing.assert_allclose(moved.spacing, np.multiply(2, volume.spacing))
    assert moved.array is volume.array
    with pytest.raises(InputError, match="parent transform"):
        volume.under(np.zeros((4, 4)))
    sheared = np.eye(4)
    sheared[0, 1] = 0.3
    assert volume.under(sheared).grid.is_sheared


def test_refuses_what_is_no_image():
    with pytest.raises(InputError, match="2 dimensions"):
        Volume(np.zeros((3, 3)), np.eye(4))
    with pytest.raises(InputError, match="complex"):
        Volume(np.zeros((3, 3, 3), complex), np.eye(4))


def test_with_array_keeps_the_place(make_volume):
    volume = make_volume()
    other = volume.with_array(volume.array.astype(np.float32))
    assert other.grid.is_close(volume.grid, tolerance=0)
    with pytest.raises(ValueError, match="shape"):
        volume.with_array(np.zeros((1, 1, 1)))
    again = pickle.loads(pickle.dumps(volume))
    np.testing.assert_array_equal(again.array, volume.array)
