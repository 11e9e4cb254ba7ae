import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from SynthLogic.volume import Grid, Volume, resample


def ramp(grid: Grid, slope=(1.5, -2.0, 0.7), offset=40.0) -> np.ndarray:
    """A linear function of the RAS position at every voxel, which linear interpolation gets exactly."""
    indices = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij")[::-1], axis=-1)
    return grid.to_ras(indices) @ np.asarray(slope) + offset


def block(shape=(20, 24, 28), spacing=(1.0, 1.0, 1.0)) -> Grid:
    return Grid(shape, np.diag([*spacing, 1.0]))


def test_onto_its_own_grid_nothing_changes(make_volume):
    volume = make_volume()
    assert resample(volume, volume.grid).array is volume.array
    wide = resample(volume, volume.grid, dtype=np.float32)
    np.testing.assert_array_equal(wide.array, volume.array)


def test_every_stored_way_comes_back_bit_by_bit(make_volume, stored_ways):
    volume = make_volume()
    for stored in stored_ways(volume):
        np.testing.assert_array_equal(resample(stored, volume.grid, background=-1000).array, volume.array)


@pytest.mark.parametrize("angles", [(0, 0, 0), (10, 20, -15), (90, 0, 0), (50, 30, 80)])
def test_linear_functions_are_exact_inside(make_volume, angles):
    source = make_volume((20, 24, 28), (1.0, 1.2, 1.4), angles, (0, 0, 0)).grid
    volume = Volume(ramp(source), source.ijk_to_ras)
    target = block((6, 7, 8), (0.9, 0.8, 1.1))
    matrix = target.ijk_to_ras.copy()
    matrix[:3, 3] = source.centre - (3, 3, 3)
    target = Grid(target.shape, matrix)
    result = resample(volume, target, background=np.nan)
    np.testing.assert_allclose(result.array, ramp(target), atol=1e-6)


def test_sheared_and_left_handed_sources(make_volume):
    shear = np.eye(4)
    shear[0, 2] = 0.4
    source = make_volume((20, 24, 28), (1.0, 1.2, -1.4), (0, 0, 0), (0, 0, 0)).under(shear).grid
    assert source.is_sheared
    assert np.linalg.det(source.ijk_to_ras) < 0
    target = Grid((5, 5, 5), np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    matrix = target.ijk_to_ras.copy()
    matrix[:3, 3] = source.centre - 2
    target = Grid((5, 5, 5), matrix)
    result = resample(Volume(ramp(source), source.ijk_to_ras), target)
    np.testing.assert_allclose(result.array, ramp(target), atol=1e-6)


def test_slabs_join_without_a_seam(make_volume, monkeypatch):
    volume = make_volume((12, 14, 16), angles=(0, 0, 0), dtype=np.float32)
    target = make_volume((11, 13, 9), (2.0, 1.5, 3.0), (4, -7, 9)).grid
    whole = resample(volume, target, background=-5)
    monkeypatch.setattr("SynthLogic.volume.resampling._SLAB_VOXELS", 300)
    np.testing.assert_allclose(resample(volume, target, background=-5).array, whole.array, atol=1e-3)


def test_aligned_and_general_path_agree(make_volume, monkeypatch):
    volume = make_volume((16, 18, 20), (0.8, 1.0, 1.5), dtype=np.float32)
    target = volume.grid.with_spacing((2.0, 0.6, 2.3))
    fast = resample(volume, target, background=-7)
    monkeypatch.setattr("SynthLogic.volume.resampling._ALIGNED", -1.0)
    slow = resample(volume, target, background=-7)
    np.testing.assert_allclose(fast.array, slow.array, atol=0.02)


def test_the_border_voxel_reaches_half_a_spacing_out():
    grid = block((1, 1, 4), (2.0, 1.0, 5.0))
    volume = Volume(np.array([[[10.0, 20.0, 30.0, 40.0]]]), grid.ijk_to_ras)
    finer = resample(volume, grid.with_spacing((0.5, 1.0, 5.0)), background=-1)
    assert finer.array.min() == 10
    assert finer.array.max() == 40
    np.testing.assert_allclose(finer.array[0, 0, :3], [10, 10, 11.25])
    shifted = grid.ijk_to_ras.copy()
    shifted[0, 3] = -2.5
    outside = resample(volume, Grid(grid.shape, shifted), background=-1)
    assert outside.array[0, 0, 0] == -1
    assert outside.array[0, 0, 1] == 10
    wide = resample(volume, grid.with_shape((3, 1, 4)), background=-1)
    np.testing.assert_array_equal(wide.array[[0, 2]], -1)
    np.testing.assert_array_equal(wide.array[1], volume.array[0])


@pytest.mark.parametrize("angles", [(0, 0, 0), (7, 3, -5)])
def test_there_and_back_leaves_no_background_in_the_field_of_view(make_volume, angles):
    volume = make_volume((9, 31, 37), (0.7, 0.7, 2.5), angles)
    volume = volume.with_array(np.full(volume.shape, 100, np.int16))
    coarse = resample(volume, volume.grid.with_spacing((2, 2, 2)), background=-1000, dtype=np.float32)
    back = resample(coarse, volume.grid, background=-1000, dtype=np.int16)
    np.testing.assert_array_equal(back.array, 100)


def test_shrinking_averages_instead_of_picking():
    grid = block((24, 24, 24))
    checker = np.indices(grid.shape).sum(axis=0) % 2 * 200.0
    for turn in (0.0, 0.3):
        parent = np.eye(4)
        parent[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
        volume = Volume(checker, grid.ijk_to_ras).under(parent)
        coarse = resample(volume, grid.with_spacing((3, 3, 3)).with_shape((4, 4, 4)))
        np.testing.assert_allclose(coarse.array, 100, atol=4)
    labels = resample(Volume(checker, grid.ijk_to_ras), grid.with_spacing((3, 3, 3)), order=0)
    assert set(np.unique(labels.array)) <= {0.0, 200.0}


def test_a_ball_keeps_its_mass_and_place(make_volume):
    grid = block((40, 40, 40), (0.8, 0.8, 0.8))
    centre = grid.to_ras((21.3, 18.6, 20.1))
    points = np.stack(np.meshgrid(*[np.arange(40)] * 3, indexing="ij")[::-1], axis=-1)
    ball = 1000.0 * np.exp(-(np.linalg.norm(grid.to_ras(points) - centre, axis=-1) ** 2) / 18)
    for target in (grid.with_spacing((2, 2, 2)), make_volume((20, 20, 20), (2, 2, 2), (20, 10, 30)).grid):
        matrix = target.ijk_to_ras.copy()
        matrix[:3, 3] += grid.centre - target.centre
        target = Grid(target.shape, matrix)
        result = resample(Volume(ball, grid.ijk_to_ras), target)
        where = target.to_ras(
            np.stack(np.meshgrid(*[np.arange(n) for n in target.shape], indexing="ij")[::-1], axis=-1)
        )
        weights = result.array / result.array.sum()
        np.testing.assert_allclose((where * weights[..., None]).sum(axis=(0, 1, 2)), centre, atol=0.05)
        np.testing.assert_allclose(result.array.sum() * 8, ball.sum() * 0.8**3, rtol=0.01)


def test_integers_are_rounded_half_to_even_and_clipped():
    grid = block((1, 1, 6))
    values = np.array([[[0.5, 1.5, -0.5, 2.4999, 70000.0, -70000.0]]])
    result = resample(Volume(values, grid.ijk_to_ras), grid, dtype=np.int16)
    np.testing.assert_array_equal(result.array[0, 0], [0, 2, 0, 2, 32767, -32768])
    wide = resample(Volume(values.astype(np.float32) * 1e6, grid.ijk_to_ras), grid, dtype=np.int32)
    assert wide.array[0, 0, 4] > 2147483000
    assert wide.array[0, 0, 5] == -(2**31)
    narrow = resample(
        Volume(np.array([[[300, -5, 7]]], np.int16), np.eye(4)), block((1, 1, 3)), dtype=np.uint8
    )
    np.testing.assert_array_equal(narrow.array[0, 0], [255, 0, 7])


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64, np.bool_])
def test_keeps_every_voxel_type(dtype):
    grid = block((3, 4, 5))
    values = (np.arange(60).reshape(3, 4, 5) % 2).astype(dtype)
    for target in (
        grid.with_shape((2, 3, 4)),
        Grid((2, 2, 2), np.diag([1, 1, 1, 1.0]) + np.eye(4, k=1) * 0.01),
    ):
        matrix = target.ijk_to_ras.copy()
        matrix[3] = (0, 0, 0, 1)
        result = resample(Volume(values, grid.ijk_to_ras), Grid(target.shape, matrix), order=0)
        assert result.array.dtype == dtype
        assert set(np.unique(result.array)) <= set(np.unique(values))


def test_int32_values_beyond_float32_survive_a_crop():
    grid = block((4, 4, 4))
    values = np.full(grid.shape, 2**24 + 1, np.int32)
    np.testing.assert_array_equal(
        resample(Volume(values, grid.ijk_to_ras), grid.with_shape((2, 2, 2))).array, 2**24 + 1
    )


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(*[st.integers(1, 9)] * 3),
    st.tuples(*[st.floats(0.4, 4)] * 3),
    st.tuples(*[st.floats(0.4, 4)] * 3),
)
def test_values_stay_between_the_sources(shape, old, new):
    values = np.random.default_rng(1).normal(0, 100, shape)
    grid = block(shape, old)
    result = resample(Volume(values, grid.ijk_to_ras), grid.with_spacing(new), background=1e9).array
    assert result.min() >= values.min() - 1e-6
    assert result.max() <= values.max() + 1e-6


def test_a_grid_far_away_holds_background_only(make_volume):
    volume = make_volume()
    for angles in [(12.0, -20.0, 33.0), (0.0, 0.0, 0.0)]:
        away = make_volume(angles=angles, origin=(1000, 1000, 1000)).grid
        np.testing.assert_array_equal(resample(volume, away, background=-1024).array, -1024)


def test_refuses_an_unknown_order(make_volume):
    with pytest.raises(ValueError, match="order"):
        resample(make_volume(), make_volume().grid, order=3)


def test_memory_stays_near_the_result(make_volume):
    grid = block((60, 200, 210), (0.7, 0.7, 1.0))
    values = np.random.default_rng(0).integers(-1000, 1000, grid.shape).astype(np.int16)
    volume = Volume(values, grid.ijk_to_ras)
    tracemalloc.start()
    coarse = resample(volume, grid.with_spacing((2, 2, 2)), dtype=np.float32)
    back = resample(coarse, grid, dtype=np.int16)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert back.grid.is_close(grid)
    assert peak < 1.6 * values.nbytes
