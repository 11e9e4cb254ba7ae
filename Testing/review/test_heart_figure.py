"""The picture of hearts side by side."""

import numpy as np
import pytest
from matplotlib.image import imread

from SynthLogic.errors import OutputError
from SynthLogic.review.heart_figure import HeartColumn, hearts_figure


def column(title: str, radius: float) -> HeartColumn:
    j, i = np.mgrid[:64, :64]
    away = np.hypot(j - 32, i - 32)
    plane = np.where(away < radius, 1, np.where(away < radius + 5, 2, 0)).astype(np.uint8)
    labels = np.repeat(plane[None], 5, 0)
    return HeartColumn(title, labels, labels.astype(float) * 400, (0, 800))


def test_one_tile_for_each_heart_and_height(tmp_path):
    path = hearts_figure([column("A", 8), column("B", 16)], tmp_path / "new" / "hearts.png", "Two hearts")
    picture = imread(path)[..., :3]
    height, width = picture.shape[:2]
    assert width > 300
    assert height > 400
    left, right = picture[:, : width // 2], picture[:, width // 2 :]
    coloured = [(np.ptp(half, axis=-1) > 0.3).sum() for half in (left, right)]
    assert min(coloured) > 100
    assert coloured[1] > coloured[0]


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("taken")
    with pytest.raises(OutputError):
        hearts_figure([column("A", 8)], tmp_path / "file" / "hearts.png", "One heart")
