"""A picture of hearts side by side: one column each, from apex to base, with the outlines of their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from SynthLogic.hearts import STRUCTURES, HeartLabel
from SynthLogic.review.figures import DPI, FOOTER, require_libraries, write_figure

_HEIGHTS = (("apical", 0.2), ("middle", 0.5), ("basal", 0.8))
_BACKGROUND, _TEXT = "#000000", "#e6e6e6"
_TILE_INCH = 1.55


@dataclass(frozen=True, eq=False)
class HeartColumn:
    """One heart.

    Attributes:
        title: above its column.
        labels: (K, J, I) uint8 in the short-axis frame, apex first, septum towards +I.
        image: (K, J, I) on the same grid.
        window: values shown as black and white.
    """

    title: str
    labels: NDArray[np.uint8] = field(repr=False)
    image: NDArray[np.floating] = field(repr=False)
    window: tuple[float, float]


def hearts_figure(columns: Sequence[HeartColumn], path: Path, title: str) -> Path:
    """Write a PNG with three slices of each heart, septum on the viewer's left and anterior up.

    Returns:
        ``path``.

    Raises:
        ConfigError: matplotlib is missing.
        OutputError: the file cannot be written.
    """
    require_libraries()
    from matplotlib.figure import Figure

    rows = len(_HEIGHTS)
    size = (0.5 + _TILE_INCH * len(columns), 0.8 + _TILE_INCH * rows)
    figure = Figure(size, DPI, facecolor=_BACKGROUND)
    grid = figure.add_gridspec(rows, len(columns), wspace=0.02, hspace=0.02)
    grid.update(left=0.05, right=0.995, top=0.87, bottom=0.06)
    for n, heart in enumerate(columns):
        for row, (name, height) in enumerate(_HEIGHTS):
            k = round(height * (len(heart.labels) - 1))
            axes = figure.add_subplot(grid[row, n])
            axes.set_axis_off()
            # Rows and columns are turned for the eye.
            shown = (k, slice(None, None, -1), slice(None, None, -1))
            low, high = heart.window
            axes.imshow(heart.image[shown], cmap="gray", vmin=low, vmax=high, interpolation="bilinear")
            for label in (HeartLabel.RV_CAVITY, HeartLabel.MYOCARDIUM, HeartLabel.LV_CAVITY):
                mask = heart.labels[shown] == label
                if mask.any():
                    axes.contour(mask, [0.5], colors=[STRUCTURES[label].colour], linewidths=0.7)
            if row == 0:
                axes.set_title(heart.title, color=_TEXT, fontsize=8, pad=4)
            if n == 0:
                axes.text(
                    -0.04, 0.5, name, color=_TEXT, fontsize=8, rotation=90, ha="right", va="center",
                    transform=axes.transAxes,
                )  # fmt: skip
    figure.text(0.5, 0.97, title, color=_TEXT, fontsize=9, ha="center", va="top")
    figure.text(0.5, 0.015, FOOTER, color=_TEXT, fontsize=7, ha="center", va="bottom")
    return write_figure(figure, path)
