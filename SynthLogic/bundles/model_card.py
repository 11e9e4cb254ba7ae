"""The readable face of a card: docs/README.md and, where no full text is given, LICENSE."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from SynthLogic.bundles.card import Card
from SynthLogic.bundles.card_parts import Channel, LabelChannel
from SynthLogic.intensity import Pipeline


def model_card(card: Card) -> str:
    """Model card in Markdown, made from nothing but ``card``."""
    training = card.training
    headline = f"`{card.name}` {card.version}, {card.network.name}, licence {card.licence.spdx}"
    sections = [
        f"# {card.title}\n\n{headline}\n\n{card.description}",
        "> Images made with this model are synthetic. They are for research, not for diagnosis or treatment.",
        "## What goes in and what comes out\n\n"
        + _table(("", "input", "output"), _channel_rows(card.input, card.output)),
        *_styles(card),
        "## Measured quality\n\n" + _figures(card),
        "## Limits\n\n"
        + (
            _list(card.limits)
            if card.limits
            else "None were written down; that does not mean there are none."
        ),
        "## What it was made for\n\n" + _list(_made_for(card)),
        "## Training\n\n"
        f"{_cell(training.method)}, {training.iterations} iterations, seed {training.seed}, "
        f"on {_cell(training.hardware)}, {training.duration_s / 60:.0f} minutes, "
        f"code version {_cell(training.code_version)}.{_start(card)}\n\n" + _data(card),
        "## Licence\n\n" + _licence(card),
        "## Running it\n\n" + _running(card),
    ]
    if training.recipe:
        recipe = json.dumps(training.recipe, indent=2, ensure_ascii=False)
        sections.append(f"## Recipe\n\n```json\n{recipe}\n```")
    return "\n\n".join(sections) + "\n"


def licence_text(card: Card) -> str:
    """Statement of the weights' licence, with the address of its full text and the data's attributions."""
    lines = [
        f"{card.title} ({card.name} {card.version})",
        f"SPDX-License-Identifier: {card.licence.spdx}",
        f"Full text: https://spdx.org/licenses/{card.licence.spdx}.html"
        if " " not in card.licence.spdx and not card.licence.spdx.startswith("LicenseRef-")
        else "Full text: as named by the identifier above.",
    ]
    if card.licence.notice:
        lines += ["", card.licence.notice.strip()]
    if card.training.data:
        lines += ["", "Trained on:"]
        lines += [f"- {d.name} ({d.licence}): {d.citation}" for d in card.training.data]
    return "\n".join(lines) + "\n"


def describe(pipeline: Pipeline) -> str:
    """The pipeline in words, for example "window -1000 to 2000, then z-score"."""
    words = []
    for step in pipeline.steps:
        options = step.model_dump(mode="json")
        kind = options.pop("kind")
        if {"lower", "upper"} <= options.keys():
            kind += f" {options.pop('lower'):g} to {options.pop('upper'):g}"
        rest = ", ".join(f"{key} {value}" for key, value in options.items())
        words.append(f"{kind} ({rest})" if rest else kind)
    return ", then ".join(words) or "as it is"


def _channel_rows(
    first: Channel | LabelChannel, second: Channel | LabelChannel
) -> list[tuple[str, str, str]]:
    return [
        ("modality", first.modality, second.modality),
        ("units", first.units, second.units),
        ("values", _values(first), _values(second)),
        ("outside the field of view", f"{first.background:g}", f"{second.background:g}"),
        ("stored as", first.dtype, second.dtype),
    ]


def _values(channel: Channel | LabelChannel) -> str:
    if isinstance(channel, LabelChannel):
        return ", ".join(f"{value} {name}" for name, value in channel.labels.items())
    return describe(channel.intensity)


def _figures(card: Card) -> str:
    if not card.figures:
        return "Nothing was measured."
    rows = [(f.name, f"{f.value:.4g} {f.units}".strip(), f.on) for f in card.figures]
    return _table(("figure", "value", "on"), rows)


def _styles(card: Card) -> Iterable[str]:
    if card.styles and card.reference is not None:
        rows = [(style.name, style.title, style.description) for style in card.styles]
        reference = describe(card.reference.intensity)
        yield (
            "## Styles\n\n" + _table(("style", "", ""), rows) + "\n\n"
            f"A style can also be read from {card.reference.modality} images with labels (intensity: "
            f"{reference}), or drawn from a seed."
        )


def _made_for(card: Card) -> Iterable[str]:
    spatial, coverage = card.spatial, card.coverage
    yield f"Anatomy: {coverage.anatomy}"
    smallest, largest = coverage.field_of_view_mm
    yield f"Field of view in the plane: {smallest:g} to {largest:g} mm"
    if card.task not in ("translate", "segment"):
        yield f"Short-axis slices, each by itself, with pixels of {spatial.spacing_mm:g} mm"
    else:
        planes = ", ".join(spatial.planes)
        yield f"Planes: {planes}" if spatial.spatial_dims == 2 else "Whole volumes in 3D tiles"
        low, high = spatial.spacing_range_mm
        if spatial.neighbours:
            yield f"Sees {spatial.neighbours} slices on either side of the one that it makes"
        if card.masks:
            yield "Takes and makes masks beside the image: " + ", ".join(card.masks)
        if card.second is not None:
            yield f"Looks at a {card.second.modality} of the same subject too, on the same grid"
        yield f"Spacing: {spatial.spacing_mm:g} mm; from {low:g} to {high:g} mm it runs without resampling"
    if coverage.value_range is not None:
        yield f"Typical values: {coverage.value_range[0]:g} to {coverage.value_range[1]:g} {card.input.units}"
    if coverage.lung_fraction is not None:
        yield f"Share of lung: {coverage.lung_fraction[0]:.0%} to {coverage.lung_fraction[1]:.0%}"
    for name, measured in (
        ("bf16", card.precision.bf16_mean_difference),
        ("fp16", card.precision.fp16_mean_difference),
    ):
        if measured is not None:
            use = "allowed" if card.precision.allows(name) else "not allowed"
            yield f"{name}: differs by {measured:.3g} {card.output.units} on average, {use}"


def _start(card: Card) -> str:
    parents = [f"`{parent.name}` {parent.version}" for parent in card.training.started_from]
    return f" It began with the weights of {' and '.join(parents)}." if parents else ""


def _data(card: Card) -> str:
    rows = [(d.name, str(d.volumes), d.licence, d.citation) for d in card.training.data]
    return _table(("data", "volumes", "licence", "source"), rows) if rows else "No data were named."


def _licence(card: Card) -> str:
    text = f"{card.licence.spdx}; see the file LICENSE."
    if card.licence.restricted:
        text += " Restricted: the program asks for your consent once."
    return f"{text}\n\n{card.licence.notice.strip()}" if card.licence.notice else text


def _running(card: Card) -> str:
    if card.task == "segment":
        second = " --second OTHER_IMAGE" if card.second is not None else ""
        return f"    crossmodalsynth segment SCAN OUTPUT --model {card.name}{second}"
    if card.task != "translate":
        return _running_on_labels(card)
    ours = f"    crossmodalsynth translate SCAN OUTPUT --to {card.output.modality} --model {card.name}"
    if not card.runs_in_monai:
        return ours + (" --labels LABELS" if card.masks else "")
    low, high = card.spatial.spacing_range_mm
    same = (
        f"Both give the same voxels for a scan in {card.spatial.planes[0]} slices that needs no resampling."
        if card.spatial.spatial_dims == 2
        else "Both place their tiles differently, so voxels differ slightly where tiles meet."
    )
    return (
        f"{ours}\n\nor, inside this folder and with MONAI beside CrossModalSynth,\n\n"
        "    python -m monai.bundle run --config_file configs/inference.json --bundle_root . \\\n"
        "        --input SCAN.nii.gz --output_folder OUTPUT\n\n"
        f"{same} Only CrossModalSynth resamples scans whose spacing lies outside {low:g} to {high:g} mm or "
        "whose pixels are not square, checks the scan first, and keeps a record; with MONAI alone, bring the "
        "scan to such a spacing yourself."
    )


def _running_on_labels(card: Card) -> str:
    ours, theirs = {
        "paint": (f"paint LABELS OUTPUT --model {card.name}", "paints, in the first style, every slice"),
        "label-vae": (f"interpolate A B OUTPUT --codec {card.name}", "encodes and decodes every slice"),
    }[card.task]
    return (
        f"    crossmodalsynth {ours}\n\n"
        "or, inside this folder and with MONAI beside CrossModalSynth,\n\n"
        "    python -m monai.bundle run --config_file configs/inference.json --bundle_root . \\\n"
        "        --input LABELS.nii.gz --output_folder OUTPUT\n\n"
        f"which {theirs} of a label map with the values above that is a short-axis stack already: slices "
        f"along its third axis, apex first, septum towards +I, pixels of {card.spatial.spacing_mm:g} mm. "
        "Only CrossModalSynth makes such a stack from a segmentation, brings the result back, and keeps a "
        "record."
    )


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {' '.join(item.split())}" for item in items)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
