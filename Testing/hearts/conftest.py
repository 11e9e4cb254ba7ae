from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from SynthLogic.hearts import HeartLabel
from SynthLogic.volume import Volume, read_volume

FRAMES = "labels_iso1p5_25frames"


@pytest.fixture(scope="session")
def real_hearts() -> Path:
    folder = Path(__file__).resolve().parents[3] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real hearts are not part of the project: no ../shared/data here")
    return folder


@pytest.fixture(scope="session")
def real_stacks(real_hearts) -> dict[str, tuple[Volume, Volume]]:
    """Labels and image of every real stack."""
    return {
        path.name.split("_label")[0]: (
            read_volume(path).volume,
            read_volume(path.with_name(path.name.split("_label")[0] + ".nii.gz")).volume,
        )
        for path in sorted(real_hearts.glob("cardiac_mr_*/*_label*.nii.gz"))
    }


def turned(seed: int) -> np.ndarray:
    """A rotation, 3x3, evenly distributed."""
    matrix, upper = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    matrix = matrix * np.sign(np.diag(upper))
    return matrix if np.linalg.det(matrix) > 0 else matrix[:, ::-1]


def heart_at(points: np.ndarray, *, radius=24.0, wall=9.0, length=80.0, rv=True) -> np.ndarray:
    """Labels at places (..., 3) in mm: septum towards the first axis, apex at -length of the third.

    Not symmetric: the right ventricle sits a little towards the second axis.
    """
    x, y, along = np.moveaxis(np.asarray(points, float), -1, 0)
    depth = np.clip(-along, 0, None)
    inside = np.hypot(np.hypot(x, y) / radius, depth / length)
    outer = np.hypot(np.hypot(x, y) / (radius + wall), depth / (length + 0.8 * wall))
    middle = np.array([0.95 * (radius + wall), 6.0])
    right = np.hypot(
        np.hypot((x - middle[0]) / 30, (y - middle[1]) / 34), np.clip(depth, 0, None) / (0.8 * length)
    )
    labels = np.zeros(x.shape, np.uint8)
    if rv:
        labels[right < 1] = HeartLabel.RV_CAVITY
    labels[outer < 1] = HeartLabel.MYOCARDIUM
    labels[inside < 1] = HeartLabel.LV_CAVITY
    labels[along > 0.5] = 0
    return labels


def heart_stack(
    *,
    pixel=1.4,
    slice_mm=10.0,
    shape=(11, 150, 140),
    spin=0.7,
    seed=0,
    shift=(3.0, -5.0),
    orientation: np.ndarray | None = None,
    rv=True,
    **sizes,
) -> Volume:
    """A stack, oblique in the patient; K runs from apex to base, the septum is ``spin`` radians from I."""
    turn = np.array([[np.cos(spin), -np.sin(spin), 0], [np.sin(spin), np.cos(spin), 0], [0, 0, 1]])
    axes = turn * np.array([pixel, pixel, slice_mm])
    k, j, i = np.indices(shape)
    centred = np.stack([i - (shape[2] - 1) / 2, j - (shape[1] - 1) / 2, k - (shape[0] - 1) + 0.7], axis=-1)
    labels = heart_at(centred @ axes.T - np.array([*shift, 0]), rv=rv, **sizes)
    matrix = np.eye(4)
    matrix[:3, :3] = (turned(seed) if orientation is None else orientation) @ axes
    matrix[:3, 3] = (31.0, -17.0, 250.0)
    return Volume(labels, matrix)


@pytest.fixture(scope="session")
def make_heart() -> Callable[..., Volume]:
    return heart_stack
