"""A bundle's card as readable tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from SynthLogic.bundles import Bundle, Card, Channel, LabelChannel


def card_tables(bundle: Bundle) -> Iterator[Table]:
    """What the card says, then its measured figures and its training data."""
    card = bundle.card
    table = Table(
        title=f"{card.title}  ({bundle.name} {bundle.version})", show_header=False, title_justify="left"
    )
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in _facts(card):
        table.add_row(key, Text(value))
    table.add_row("Hash (SHA-256)", bundle.hash)
    yield table
    if card.figures:
        yield _listing(
            "Measured",
            ("Figure", "Value", "Units", "On"),
            [(f.name, f"{f.value:g}", f.units, f.on) for f in card.figures],
        )
    if card.training.data:
        yield _listing(
            "Trained on",
            ("Data", "Volumes", "Licence", "Cite"),
            [(d.name, str(d.volumes), d.licence, d.citation) for d in card.training.data],
        )


def _facts(card: Card) -> Iterator[tuple[str, str]]:
    spatial, coverage, training = card.spatial, card.coverage, card.training
    yield "Description", card.description
    yield "Input", _channel(card.input)
    yield "Output", _channel(card.output)
    for number, style in enumerate(card.styles):
        yield ("Styles" if number == 0 else ""), f"{style.name}: {style.title}. {style.description}"
    yield "Network", f"{card.network.name}, {spatial.spatial_dims}D, {card.format}"
    if card.task == "translate":
        yield "Planes", ", ".join(spatial.planes)
        low, high = spatial.spacing_range_mm
        yield "Spacing", f"{spatial.spacing_mm:g} mm (unchanged from {low:g} to {high:g} mm)"
    else:
        yield "Slices", f"short axis, each by itself, with pixels of {spatial.spacing_mm:g} mm"
    yield "Anatomy", coverage.anatomy
    low, high = coverage.field_of_view_mm
    yield "Field of view", f"{low:g} to {high:g} mm"
    if card.task != "label-vae":
        yield "Precision", _precision(card)
    minutes = training.duration_s / 60
    yield (
        "Training",
        (
            f"{training.method}, {training.iterations} iterations, seed {training.seed}, {minutes:.0f} min "
            f"on {training.hardware}"
        ),
    )
    restricted = f" (restricted: {card.licence.notice.strip()})" if card.licence.restricted else ""
    yield "Licence", card.licence.spdx + restricted
    for number, limit in enumerate(card.limits):
        yield ("Limits" if number == 0 else ""), limit


def _channel(channel: Channel | LabelChannel) -> str:
    from SynthLogic.bundles import LabelChannel

    if isinstance(channel, LabelChannel):
        return "labels: " + ", ".join(f"{name} {value}" for name, value in channel.labels.items())
    steps = ", ".join(step.kind for step in channel.intensity.steps) or "unchanged"
    return f"{channel.modality} in {channel.units}; intensity: {steps}; stored as {channel.dtype}"


def _precision(card: Card) -> str:
    units, precision = card.output.units, card.precision
    measured = {"bf16": precision.bf16_mean_difference, "fp16": precision.fp16_mean_difference}
    parts = [
        f"{name} differs by {value:.3g} {units}" for name, value in measured.items() if value is not None
    ]
    return "; ".join(["fp32", *parts, f"allowed up to {precision.tolerance:g} {units}"])


def _listing(title: str, headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(
            heading, justify="right" if heading in ("Value", "Volumes") else "left", overflow="fold"
        )
    for row in rows:
        table.add_row(*map(Text, row))
    return table
