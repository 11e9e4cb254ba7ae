"""Two simulated persons, coarse, and known maps between them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from SynthLogic.phantoms import Subject, make_subject
from SynthLogic.volume import Volume

WHOLE_HEART = tuple(range(1, 8))


def heart_of(labels: Volume) -> Volume:
    """The seven whole-heart structures of a thorax."""
    return labels.with_array(np.where(np.isin(labels.array, WHOLE_HEART), labels.array, 0).astype(np.uint8))


def motion(
    angles: tuple[float, float, float] = (12.0, -15.0, 20.0),
    stretch: tuple[float, float, float] = (1.0, 1.0, 1.0),
    shift: tuple[float, float, float] = (30.0, -45.0, 60.0),
) -> np.ndarray:
    """Rotation (degrees), stretch and shift (mm), 4x4."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ np.diag(stretch)
    matrix[:3, 3] = shift
    return matrix


def stored_ways(volume: Volume) -> Iterator[Volume]:
    """Some of the 48 ways to store one volume: every order of axes, each with other flips."""
    flips = itertools.cycle(itertools.product((False, True), repeat=3))
    for axes in itertools.permutations(range(3)):
        flip = next(flips)
        step = np.zeros((4, 4))
        step[3, 3] = 1
        for new, (old, turned) in enumerate(zip(axes, flip, strict=True)):
            step[2 - old, 2 - new] = -1 if turned else 1
            step[2 - old, 3] = volume.shape[old] - 1 if turned else 0
        array = volume.array.transpose(axes)[tuple(slice(None, None, -1 if f else 1) for f in flip)]
        yield Volume(np.ascontiguousarray(array), volume.ijk_to_ras @ step)


def distances(found: np.ndarray, true: np.ndarray, labels: Volume) -> np.ndarray:
    """How far (mm) the labelled places of the fixed scan lie from where ``found`` puts what belongs there."""
    places = labels.grid.to_ras(np.argwhere(labels.array)[::7, ::-1])
    back = np.linalg.inv(true)
    there = places @ back[:3, :3].T + back[:3, 3]
    return np.linalg.norm(there @ found[:3, :3].T + found[:3, 3] - places, axis=1)


@pytest.fixture(scope="session")
def persons() -> tuple[Subject, Subject]:
    """Two thoraxes of different persons, voxels of 5 mm."""
    one, other = (make_subject(1, n, shape=(48, 56, 72), spacing=(5.0, 5.0, 5.0)) for n in (0, 1))
    return one, other


@pytest.fixture(scope="session")
def heart() -> Callable[[Volume], Volume]:
    return heart_of
