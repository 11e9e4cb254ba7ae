"""Deformations of space: exactly undone, seeded, as large as asked for, and volumes that follow them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from SynthLogic.phantoms import Deformation
from SynthLogic.volume import Volume

OBLIQUE = np.array([[1.9, 0.4, 0.1, -60], [-0.4, 1.9, 0.2, -50], [0.05, -0.2, 3.0, -40], [0, 0, 0, 1.0]])


def points(n=4000, seed=0):
    return np.random.default_rng(seed).uniform(-200, 200, (n, 3))


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**31),
    st.floats(0, 20),
    st.floats(40, 300),
    st.sampled_from([(0, 1, 2), (0, 1), (2,), (1, 0)]),
)
def test_the_inverse_is_exact(seed, size, wavelength, axes):
    deformation = Deformation.drawn(seed, size, wavelength, axes)
    p = points()
    assert np.abs(deformation.inverse(deformation(p)) - p).max() < 1e-9
    assert np.abs(deformation(deformation.inverse(p)) - p).max() < 1e-9
    still = [axis for axis in range(3) if axis not in axes]
    assert np.array_equal(deformation(p)[:, still], p[:, still])
    assert np.array_equal(Deformation.drawn(seed, size, wavelength, axes)(p), deformation(p))


def test_it_is_as_large_as_asked_for_and_another_for_another_seed():
    p = points(200_000)
    for size in (2.0, 8.0):
        moved = [np.sqrt(((Deformation.drawn(seed, size)(p) - p) ** 2).mean(0)) for seed in range(12)]
        assert np.mean(moved) == pytest.approx(size, rel=0.15)
    assert np.abs(Deformation.drawn(1, 5)(p) - Deformation.drawn(2, 5)(p)).max() > 5


def test_volume_is_kept_everywhere_and_nothing_folds():
    deformation, p, step = Deformation.drawn(7, 8.0), points(500), 1e-4
    columns = [
        (deformation(p + step * axis) - deformation(p - step * axis)) / (2 * step) for axis in np.eye(3)
    ]
    assert np.linalg.det(np.stack(columns, -1)) == pytest.approx(np.ones(len(p)), abs=1e-6)


@pytest.mark.parametrize(("order", "tolerance"), [(1, 0.6), (3, 0.05)])
def test_what_lay_at_a_point_lies_where_the_point_goes(order, tolerance):
    def scene(ras):
        return 100 * np.sin(ras[..., 0] / 15) * np.cos(ras[..., 1] / 18) + ras[..., 2]

    grid = Volume(np.zeros((30, 50, 60), np.float32), OBLIQUE).grid
    ijk = np.stack(np.meshgrid(range(60), range(50), range(30), indexing="ij"), -1).transpose(2, 1, 0, 3)
    volume = Volume(scene(grid.to_ras(ijk)).astype(np.float32), OBLIQUE)
    deformation = Deformation.drawn(3, 4.0)
    found = deformation.of(volume, order=order, background=-999.0)
    expected = scene(deformation.inverse(grid.to_ras(ijk)))
    inside = found.array > -500
    core = np.zeros_like(inside)
    core[8:-8, 10:-10, 10:-10] = True
    assert inside[core].all()
    assert np.sqrt(np.mean((found.array - expected)[core] ** 2)) < tolerance
    assert (found.array == -999).any()


def test_labels_stay_labels_and_nothing_moves_without_size():
    rng = np.random.default_rng(0)
    labels = Volume(rng.choice(np.array([0, 3, 200], np.uint8), (9, 20, 22)), OBLIQUE)
    moved = Deformation.drawn(5, 6.0).of(labels, order=0)
    assert moved.array.dtype == np.uint8
    assert set(np.unique(moved.array)) == {0, 3, 200}
    assert np.array_equal(Deformation.drawn(5, 0.0).of(labels, order=0).array, labels.array)
    ct = Volume((1000 * rng.standard_normal((5, 6, 7))).astype(np.int16), OBLIQUE)
    still = Deformation.drawn(5, 0.0).of(ct, background=-1024)
    assert still.array.dtype == np.int16
    assert np.abs(still.array.astype(int) - ct.array).max() <= 1


def test_there_and_back_gives_the_volume_again():
    grid = Volume(np.zeros((40, 64, 64), np.float32), np.diag([2.0, 2.0, 2.0, 1])).grid
    ijk = np.stack(np.meshgrid(range(64), range(64), range(40), indexing="ij"), -1).transpose(2, 1, 0, 3)
    ball = Volume(
        (np.linalg.norm(grid.to_ras(ijk) - grid.centre, axis=-1) < 25).astype(np.float32) * 100,
        grid.ijk_to_ras,
    )
    deformation = Deformation.drawn(11, 5.0)
    there = deformation.of(ball, order=1)
    back = deformation.inverse.of(there, order=1)
    assert np.abs(there.array - ball.array).mean() > 2 * np.abs(back.array - ball.array).mean()
    assert there.array.sum() == pytest.approx(ball.array.sum(), rel=0.01)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="wavelength_mm"):
        Deformation.drawn(1, 1.0, 0.0)
    for axes in ((), (0, 0), (3,)):
        with pytest.raises(ValueError, match="axes is"):
            Deformation.drawn(1, 1.0, axes=axes)
