"""One picture per direction: input, output, reference and error in three planes, as a radiologist reads them.

Radiological display: patient's right on the viewer's left, anterior up (axial) or left (sagittal), superior
up; all panels in true proportions and at one scale. Needs matplotlib (extra ``app`` or ``train``), drawn
without a display and without pyplot's global state.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from SynthLogic.errors import ConfigError, OutputError
from SynthLogic.review.planes import PLANES, Array, Cutter, Extent, Plane, canonical_index
from SynthLogic.volume import Volume

FOOTER = "SYNTHETIC – research use only, not for diagnosis"
WIDTH_PX = 1600
DPI = 100
BAR_MM = 50.0
_BACKGROUND, _TEXT, _DIM = "#000000", "#e6e6e6", "#8c8c8c"
# Dark in the middle: on a dark background no error looks like nothing. Blue and orange suit all eyes.
_ERROR_COLOURS = ("#bfe3ff", "#3d9bff", "#0b2f6b", "#000000", "#6b2a06", "#ff8a2b", "#ffe6bf")
_EDGE_COLOUR = "#ffc23d"


@dataclass(frozen=True)
class Display:
    """How one image is shown.

    Attributes:
        label: column heading, such as "Input CT".
        window: (lower, upper) shown as black and white, in ``units``.
        units: "HU" or "a.u.".
    """

    label: str
    window: tuple[float, float]
    units: str


@dataclass(frozen=True)
class _Column:
    title: str
    subtitle: str
    draw: Callable[[Any, Plane, Extent], Any]
    units: str | None


def comparison_figure(
    input: Volume,
    output: Volume,
    reference: Volume | None,
    path: Path,
    *,
    input_display: Display,
    output_display: Display,
    title: str = "",
    centre: tuple[int, int, int] | None = None,
    error_limit: float | None = None,
) -> Path:
    """Write a PNG, 1600 px wide: rows axial, coronal, sagittal; columns input, output, reference, error.

    The error is output - reference, signed, on a symmetric scale. Without a reference the last two columns
    show a checkerboard of input and output, and the input's edges on the output.

    Args:
        input: the scan that was translated.
        output: the synthetic image, on the input's grid.
        reference: the true image on the same grid, or None.
        path: PNG to write.
        input_display: heading, window and units of the input.
        output_display: the same for output and reference.
        title: one line above the columns.
        centre: voxel (k, j, i) of the input where the three planes meet; None takes the volume's middle.
        error_limit: end of the error's scale in the output's units; None takes its 99th percentile.

    Raises:
        ConfigError: matplotlib is not installed, or the volumes lie on different grids.
        OutputError: ``path`` cannot be written.
    """
    require_libraries(edges=reference is None)
    for other in (output,) if reference is None else (output, reference):
        if not other.grid.is_close(input.grid):
            raise ConfigError(
                "A comparison picture needs volumes on one grid: resample them to the input's first."
            )
    canonical, _ = input.canonical()
    arrays = [canonical.array] + [v.canonical()[0].array for v in (output, reference) if v is not None]
    middle = (
        tuple(n // 2 for n in canonical.array.shape)
        if centre is None
        else canonical_index(input, canonical, centre)
    )
    cut = Cutter(canonical, middle)
    columns = [
        _image(cut, arrays[0], input_display, "gray"),
        _image(cut, arrays[1], output_display, "gray", synthetic=True),
    ]
    if reference is not None:
        columns.append(
            _image(cut, arrays[2], Display("Reference", output_display.window, output_display.units), "gray")
        )
        columns.append(_error(cut, arrays[1], arrays[2], output_display.units, error_limit))
    else:
        columns.append(_checkerboard(cut, arrays, (input_display, output_display)))
        columns.append(_edges(cut, arrays, (input_display, output_display)))
    return write_figure(_draw(cut, columns, title), path)


def _window_text(display: Display) -> str:
    lower, upper = display.window
    return f"W {_number(upper - lower)}  L {_number((upper + lower) / 2)} {display.units}"


def _number(value: float) -> str:
    """Three digits that count, and never a power of ten."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _image(cut: Cutter, array: Array, display: Display, colours: Any, synthetic: bool = False) -> _Column:
    lower, upper = display.window

    def draw(axes: Any, plane: Plane, extent: Extent) -> Any:
        return _show(axes, cut.of(array, plane), extent, cmap=colours, vmin=lower, vmax=upper)

    title = (
        f"{display.label} (synthetic)"
        if synthetic and "synthetic" not in display.label.lower()
        else display.label
    )
    return _Column(title, _window_text(display), draw, display.units)


def _error(cut: Cutter, output: Array, reference: Array, units: str, limit: float | None) -> _Column:
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("error", _ERROR_COLOURS)
    difference = [
        cut.of(output, p).astype(np.float32) - cut.of(reference, p).astype(np.float32) for p in PLANES
    ]
    if limit is None:
        limit = _round_up(float(np.percentile(np.abs(np.concatenate([d.ravel() for d in difference])), 99)))

    def draw(axes: Any, plane: Plane, extent: Extent) -> Any:
        return _show(axes, difference[PLANES.index(plane)], extent, cmap=colours, vmin=-limit, vmax=limit)

    return _Column("Error", "output − reference", draw, units)


def _checkerboard(cut: Cutter, arrays: Sequence[Array], displays: tuple[Display, Display]) -> _Column:
    def draw(axes: Any, plane: Plane, extent: Extent) -> Any:
        first, second = (_scaled(cut.of(a, plane), d) for a, d in zip(arrays, displays, strict=True))
        width, height = cut.size_mm(plane)
        tile = max(cut.size_mm(PLANES[0])) / 8
        rows = (np.arange(first.shape[0]) + 0.5) * height / first.shape[0] // tile
        columns = (np.arange(first.shape[1]) + 0.5) * width / first.shape[1] // tile
        board = np.where((rows[:, None] + columns[None]) % 2 == 0, first, second)
        return _show(axes, board, extent, cmap="gray", vmin=0, vmax=1)

    return _Column("Checkerboard", "input and output", draw, None)


def _edges(cut: Cutter, arrays: Sequence[Array], displays: tuple[Display, Display]) -> _Column:
    from matplotlib.colors import ListedColormap
    from skimage.feature import canny

    def draw(axes: Any, plane: Plane, extent: Extent) -> Any:
        _show(axes, _scaled(cut.of(arrays[1], plane), displays[1]), extent, cmap="gray", vmin=0, vmax=1)
        edges = canny(
            _scaled(cut.of(arrays[0], plane), displays[0]), sigma=1.0, low_threshold=0.08, high_threshold=0.2
        )
        overlay = np.ma.masked_where(~edges, edges)
        colours = ListedColormap([_EDGE_COLOUR])
        return axes.imshow(overlay, extent=extent, cmap=colours, interpolation="nearest", alpha=0.9)

    return _Column("Input edges", "drawn on the output", draw, None)


def _scaled(array: Array, display: Display) -> NDArray[np.float32]:
    lower, upper = display.window
    return np.clip((array.astype(np.float32) - lower) / (upper - lower), 0, 1)


def _show(axes: Any, picture: Array, extent: Extent, **options: Any) -> Any:
    return axes.imshow(picture, extent=extent, interpolation="bilinear", **options)


def _round_up(value: float) -> float:
    """The next of 1, 2, 5 x 10^n; 1 for 0."""
    if not value > 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step * power for step in (1, 2, 5, 10) if step * power >= value * 0.999))


def _draw(cut: Cutter, columns: Sequence[_Column], title: str) -> Any:
    """Lay the panels out in pixels, at one scale in px per mm."""
    from matplotlib.figure import Figure

    gap, top, below, bottom, left = 8.0, 74.0, 50.0, 34.0, 34.0
    sizes = [cut.size_mm(plane) for plane in PLANES]
    widest = PLANES[int(np.argmax([width for width, _ in sizes]))]
    column_px = (WIDTH_PX - left - gap * len(columns)) / len(columns)
    scale = column_px / max(width for width, _ in sizes)
    heights = [max(height * scale, 24.0) for _, height in sizes]
    if title:
        top += 30.0
    total = top + sum(heights) + gap * (len(heights) - 1) + below + bottom
    figure = Figure(figsize=(WIDTH_PX / DPI, total / DPI), dpi=DPI, facecolor=_BACKGROUND)

    def place(x: float, y: float, width: float, height: float) -> Any:
        axes = figure.add_axes((x / WIDTH_PX, 1 - (y + height) / total, width / WIDTH_PX, height / total))
        axes.set_facecolor(_BACKGROUND)
        return axes

    def write(x: float, y: float, text: str, **options: Any) -> None:
        figure.text(
            x / WIDTH_PX, 1 - y / total, text, **{"color": _TEXT, "fontsize": 11, "va": "center", **options}
        )

    if title:
        write(left, 24, title, fontsize=14)
    for number, column in enumerate(columns):
        x = left + number * (column_px + gap)
        write(x + column_px / 2, top - 46, column.title, ha="center", fontsize=13)
        write(x + column_px / 2, top - 22, column.subtitle, ha="center", color=_DIM, fontsize=10)
        y, image = top, None
        for plane, height in zip(PLANES, heights, strict=True):
            axes = place(x, y, column_px, height)
            image = column.draw(axes, plane, cut.extent(plane))
            axes.set_xlim(-column_px / scale / 2, column_px / scale / 2)
            axes.set_ylim(-height / scale / 2, height / scale / 2)
            axes.set_axis_off()
            _mark_edges(axes, cut, plane)
            if number == 0:
                write(
                    left / 2,
                    y + height / 2,
                    cut.name_of(plane),
                    rotation=90,
                    ha="center",
                    color=_DIM,
                    fontsize=10,
                )
                if plane is widest:
                    _length_bar(axes, cut.size_mm(plane), scale)
            y += height + gap
        if column.units is not None and image is not None:
            bar = figure.colorbar(
                image, cax=place(x + column_px * 0.15, y + 8, column_px * 0.7, 8), orientation="horizontal"
            )
            bar.outline.set_visible(False)
            bar.ax.tick_params(colors=_TEXT, labelsize=9, length=3)
            low, high = image.get_clim()
            bar.set_ticks([low, (low + high) / 2, high])
            bar.set_ticklabels([_number(low), _number((low + high) / 2), f"{_number(high)} {column.units}"])
    write(left, total - bottom / 2, FOOTER, color="#ffb000", fontsize=10)
    write(
        WIDTH_PX - gap,
        total - bottom / 2,
        "Patient's right on the left",
        ha="right",
        color=_DIM,
        fontsize=9,
    )
    return figure


def _mark_edges(axes: Any, cut: Cutter, plane: Plane) -> None:
    x0, x1, y0, y1 = cut.extent(plane)
    left, right, top, bottom = cut.edge_letters(plane)
    outline = _outline()
    for x, y, text, ha, va in (
        (x0, 0.0, left, "left", "center"),
        (x1, 0.0, right, "right", "center"),
        (0.0, y1, top, "center", "top"),
        (0.0, y0, bottom, "center", "bottom"),
    ):
        axes.text(x, y, f" {text} ", ha=ha, va=va, color=_TEXT, fontsize=10, path_effects=outline)


def _length_bar(axes: Any, size_mm: tuple[float, float], scale: float) -> None:
    width, height = size_mm
    if width < 1.5 * BAR_MM:
        return
    x, y = -width / 2 + 26 / scale, -height / 2 + 12 / scale
    axes.plot(
        [x, x + BAR_MM], [y, y], color=_TEXT, linewidth=2, solid_capstyle="butt", path_effects=_outline()
    )
    if height * scale > 60:
        label = {"ha": "center", "va": "bottom", "color": _TEXT, "fontsize": 9, "path_effects": _outline()}
        axes.text(x + BAR_MM / 2, y + 4 / scale, f"{BAR_MM:g} mm", **label)


def _outline() -> list[Any]:
    from matplotlib import patheffects

    return [patheffects.withStroke(linewidth=2.0, foreground=_BACKGROUND)]


def write_figure(figure: Any, path: Path) -> Path:
    """Write a matplotlib figure as PNG, and return its path; OutputError if it cannot be written."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture.getvalue())
    except OSError as error:
        raise OutputError(
            f"The picture cannot be written to {path} ({error.strerror}); choose another folder."
        ) from error
    return path


def require_libraries(edges: bool = False) -> None:
    """ConfigError where matplotlib, or for ``edges`` scikit-image, is not installed."""
    for module, package in (("matplotlib", "matplotlib"), *((("skimage", "scikit-image"),) if edges else ())):
        if importlib.util.find_spec(module) is None:
            raise ConfigError(f"Pictures need {package}: pip install 'crossmodalsynth[app]'.")
