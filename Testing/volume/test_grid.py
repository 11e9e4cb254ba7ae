import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from SynthLogic.errors import InputError
from SynthLogic.volume import Grid


def test_describes_itself(make_volume):
    grid = make_volume().grid
    assert grid.shape == (5, 6, 7)
    np.testing.assert_allclose(grid.spacing, (0.7, 0.9, 2.5))
    np.testing.assert_allclose(grid.extent_mm, (4.9, 5.4, 12.5))
    np.testing.assert_allclose(grid.direction.T @ grid.direction, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(grid.origin, (-61.3, 17.7, 204.1))
    np.testing.assert_allclose(
        grid.to_ijk(grid.to_ras([[1, 2, 3], [0.5, 0, -4]])), [[1, 2, 3], [0.5, 0, -4]], atol=1e-9
    )
    np.testing.assert_allclose(grid.to_ijk(grid.centre), (3, 2.5, 2))
    assert Grid((2, 2, 2), np.diag([-1, -1, 2, 1])).axis_codes == "LPS"


def test_is_frozen_and_copies(make_volume):
    matrix = np.eye(4)
    grid = Grid((1, 2, 3), matrix)
    matrix[0, 0] = 5
    assert grid.spacing == (1, 1, 1)
    with pytest.raises(ValueError, match="read-only"):
        grid.ijk_to_ras[0, 0] = 2
    for twin in (copy.deepcopy(grid), pickle.loads(pickle.dumps(grid))):
        assert twin.is_close(grid)


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (np.diag([1, 1, 0, 1]), "singular"),
        (np.diag([1, 1, np.nan, 1]), "NaN"),
        (np.array([[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), "singular"),
        (np.ones((3, 3)), "4x4"),
        (np.diag([1, 1, 1, 2]), "affine"),
    ],
)
def test_refuses_impossible_matrices(matrix, words):
    with pytest.raises(InputError, match=words):
        Grid((1, 1, 1), matrix)


def test_refuses_impossible_shapes():
    with pytest.raises(InputError, match="at least one voxel"):
        Grid((0, 4, 4), np.eye(4))


def test_is_close_measures_at_the_corners():
    grid = Grid((10, 10, 500), np.eye(4))
    turned = np.eye(4)
    turned[1, 0] = 1e-5
    assert not grid.is_close(Grid(grid.shape, turned))
    turned[1, 0] = 1e-7
    assert grid.is_close(Grid(grid.shape, turned))
    assert not grid.is_close(Grid((10, 10, 501), np.eye(4)))


@given(
    st.tuples(*[st.integers(1, 600)] * 3),
    st.tuples(*[st.floats(0.2, 10)] * 3),
    st.tuples(*[st.floats(0.2, 10)] * 3),
)
def test_with_spacing_covers_the_same_field_of_view(shape, old, new):
    matrix = np.diag([*old, 1.0])
    matrix[:3, 3] = (-5, 7, 11)
    grid = Grid(shape, matrix)
    other = grid.with_spacing(new)
    np.testing.assert_allclose(other.spacing, new, rtol=1e-9)
    np.testing.assert_allclose(other.centre, grid.centre, atol=1e-6)
    more = np.subtract(other.extent_mm, grid.extent_mm)
    assert (more > -2e-3 * np.asarray(new)).all()
    assert (more < np.asarray(new)).all()


def test_with_shape_stays_on_the_lattice(make_volume):
    grid = make_volume().grid
    for shape in [(5, 6, 7), (8, 3, 6), (4, 9, 1)]:
        first = grid.to_ijk(grid.with_shape(shape).origin)
        np.testing.assert_allclose(first, np.round(first), atol=1e-9)
        there_and_back = grid.with_shape(shape).with_shape(grid.shape)
        assert np.abs(grid.to_ijk(there_and_back.origin)).max() <= 1 + 1e-9
    assert grid.with_shape((8, 8, 8)).with_shape(grid.shape).is_close(grid)
