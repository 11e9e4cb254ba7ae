"""Pictures of a training: curves of its losses, and fixed samples side by side. No pyplot, no display."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray
from torch import Tensor

from SynthLogic.methods.log_table import LogTable

_DPI = 100
_PANEL = (4.2, 2.7)
_RAW, _SMOOTH, _RATE = "#9db8d9", "#123f7a", "#7a3b12"
# A curve whose values span so much is drawn on a logarithmic scale.
_DECADES = 100.0
# The smoothed line is a running mean over this share of all log lines, and over so many at least.
_SMOOTHED_OVER, _FEWEST = 0.04, 3
_LEAST_COLUMN = 144
_HEADING = 44


def draw_losses(table: LogTable, path: Path, title: str) -> None:
    """Write a PNG with a panel for each loss and one for the learning rate, over iterations.

    The thin line is what was logged, the thick one its running mean. A loss that came in later begins later.

    Args:
        table: the log; without a line nothing is written.
        path: where to; replaced whole.
        title: one line.

    Raises:
        OSError: the file cannot be written.
    """
    panels = list(table.losses.items())
    rate = table.columns.get("learning_rate")
    if rate is not None:
        panels.append(("learning_rate", rate))
    if not len(table.iterations) or not panels:
        return
    across = 4 if len(panels) == 4 or len(panels) > 6 else min(3, len(panels))
    down = math.ceil(len(panels) / across)
    figure = Figure(
        figsize=(across * _PANEL[0], down * _PANEL[1] + 0.4),
        dpi=_DPI,
        layout="constrained",
        facecolor="white",
    )
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=11)
    grid = figure.subplots(down, across, squeeze=False, sharex=True).ravel()
    for axes, (name, values) in zip(grid, panels, strict=False):
        _panel(axes, name, table.iterations, values)
    if grid[0].get_legend_handles_labels()[1]:
        grid[0].legend(fontsize=7, loc="best", framealpha=0.6)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    for axes in grid[max(0, len(panels) - across) : len(panels)]:
        # Of a column whose last row is empty, the axis above has the numbers.
        axes.set_xlabel("iteration")
        axes.tick_params(labelbottom=True)
    _save(figure, path)


def draw_samples(
    columns: Sequence[Tensor], names: Sequence[str], title: str, path: Path
) -> NDArray[np.float32]:
    """Write a PNG: samples in rows, a heading over each column, pixels enlarged a whole number of times.

    Args:
        columns: each (N, 1, J, I) in [-1, 1], all of one size.
        names: headings.
        title: one line above.
        path: where to; replaced whole.

    Returns:
        The samples without headings, not enlarged: see ``contact_sheet``.

    Raises:
        OSError: the file cannot be written.
    """
    sheet = contact_sheet(columns)
    width = columns[0].shape[-1]
    zoom = math.ceil(_LEAST_COLUMN / width)
    large = np.kron(sheet, np.ones((zoom, zoom), np.float32))
    height, full = large.shape
    figure = Figure(figsize=(full / _DPI, (height + _HEADING) / _DPI), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    figure.figimage(large, 0, 0, cmap="gray", vmin=-1, vmax=1, origin="upper")
    top = height + _HEADING
    figure.text(4 / full, 1 - 4 / top, title, fontsize=9, weight="bold", va="top")
    for number, name in enumerate(names):
        figure.text((number + 0.5) * zoom * width / full, (height + 4) / top, name, fontsize=8, ha="center")
    _save(figure, path)
    return sheet


def contact_sheet(columns: Sequence[Tensor]) -> NDArray[np.float32]:
    """Input | output | way back, a row for each sample.

    Rows of an image run from posterior or inferior upwards, so they are turned for the eye: anterior and
    superior on top; columns likewise, patient's left on the right side.

    Args:
        columns: each (N, 1, J, I) in [-1, 1].

    Returns:
        (N * J, columns * I) float32.
    """
    images = [c.detach().float().cpu().numpy()[:, 0, ::-1, ::-1] for c in columns]
    return np.concatenate([np.concatenate(list(image)) for image in images], axis=1).clip(-1, 1)


def _panel(axes: Any, name: str, iterations: NDArray[np.int64], values: NDArray[np.float64]) -> None:
    there = np.isfinite(values)
    x, y = iterations[there], values[there]
    is_rate = name == "learning_rate"
    axes.set_title(name.replace("_", " "), fontsize=10)
    axes.set_ylabel("rate" if is_rate else "loss", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    if is_rate:
        axes.plot(x, y, color=_RATE, linewidth=1.6, marker="." if len(x) == 1 else None)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        return
    axes.plot(x, y, color=_RAW, linewidth=0.8, marker="." if len(x) < 3 else None, label="as logged")
    window = max(_FEWEST, round(_SMOOTHED_OVER * len(y)))
    if len(y) > window:
        axes.plot(x, smoothed(y, window), color=_SMOOTH, linewidth=1.6, label="running mean")
    if len(y) and y.min() > 0 and y.max() / y.min() > _DECADES:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(numticks=6))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())


def smoothed(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Running mean (N,) over up to ``window`` // 2 values on each side; at the ends over those there are."""
    half, count = window // 2, len(values)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    first = np.maximum(np.arange(count) - half, 0)
    last = np.minimum(np.arange(count) + half + 1, count)
    return np.asarray((sums[last] - sums[first]) / (last - first))


def _save(figure: Figure, path: Path) -> None:
    """Whole or not at all, so that a viewer which is open beside the training never sees half a picture."""
    encoded = io.BytesIO()
    figure.savefig(encoded, format="png", dpi=_DPI)
    partial = path.with_suffix(".partial")
    try:
        partial.write_bytes(encoded.getvalue())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
