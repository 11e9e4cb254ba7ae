"""``crossmodalsynth interpolate``: hearts between two, or one with more slices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from SynthLogic.cli.console import Answer, progress_bar, warn
from SynthLogic.cli.hearts import (
    STYLE_HELP,
    Codec,
    Force,
    LatentPath,
    Painter,
    Slices,
    Values,
    bundle_of,
    parse_style,
    read_references,
    request_of,
)
from SynthLogic.cli.interrupt import cancel_on_interrupt
from SynthLogic.cli.licence import with_consent
from SynthLogic.cli.options import (
    AcceptLicence,
    DebugFlag,
    Device,
    JsonFlag,
    Precision,
    PrecisionChoice,
    Yes,
    example,
)
from SynthLogic.cli.outputs import to_bar
from SynthLogic.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from SynthLogic.jobs import Interpolated

EPILOG = example(
    "crossmodalsynth interpolate a_labels.nii.gz b_labels.nii.gz between --steps 8 --slices 32",
    "crossmodalsynth interpolate a_labels.nii.gz dense --slices 32",
)


def interpolate(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="A [B] OUTDIR",
            help="Label map of one heart, or of two, and the folder to write to.",
            show_default=False,
        ),
    ],
    steps: Annotated[int, typer.Option(metavar="N", help="Hearts between A and B.")] = 8,
    slices: Slices = 32,
    path: LatentPath = "line",
    style: Annotated[
        list[str] | None,
        typer.Option("--style", metavar="STYLE", help=f"At A; given twice, at A and at B. {STYLE_HELP}"),
    ] = None,
    labels_only: Annotated[bool, typer.Option("--labels-only", help="Make labels and no images.")] = False,
    values: Values = "mms",
    codec: Codec = None,
    model: Painter = None,
    device: Device = "auto",
    precision: PrecisionChoice = Precision.auto,
    force: Force = False,
    accept_licence: AcceptLicence = False,
    yes: Yes = False,
    json_: JsonFlag = False,
    debug: DebugFlag = False,
) -> Answer:
    """Make the hearts between A and B, or A alone with more slices: image, labels, record and picture each.

    Label maps are of short-axis stacks, or of any other scan of the heart. Stopped, the same command goes on
    where it was. For research only, not for diagnosis.
    """
    from SynthLogic.hearts import EXPECTED
    from SynthLogic.jobs import InterpolateRequest
    from SynthLogic.jobs import interpolate as run_interpolate

    if not 2 <= len(inputs) <= 3:
        raise ConfigError(
            f"There are {len(inputs)} files and folders; give one label map or two, and the output's folder."
        )
    *hearts, folder = inputs
    second = hearts[1] if len(hearts) > 1 else None
    styles = style or []
    if len(styles) > 1 + (second is not None):
        raise ConfigError(f"--style was given {len(styles)} times for {len(hearts)} heart(s); give fewer.")
    parsed = [parse_style(text) for text in styles]
    parsed += [(None, None)] * (2 - len(parsed))
    data = {
        "steps": steps,
        "slices": slices,
        "path": path,
        "style_a": parsed[0][0],
        "style_b": parsed[1][0],
        "labels_only": labels_only,
        "labels": values,
        "device": device.lower(),
        "precision": precision.value,
        "force": force,
    }
    request = request_of(InterpolateRequest, data, {"style_a": "--style", "style_b": "--style"})

    def work() -> Interpolated:
        codec_name, codec_bundle = bundle_of(codec, accept_licence)
        model_name, model_bundle = bundle_of(model, accept_licence)
        with cancel_on_interrupt() as cancelled, progress_bar("Interpolating", quiet=json_) as bar:
            return run_interpolate(
                request.model_copy(update={"codec": codec_name, "model": model_name}),
                hearts[0],
                second,
                folder,
                to_bar(bar),
                cancelled,
                codec_bundle=codec_bundle,
                model_bundle=model_bundle,
                references=read_references([paths for _, paths in parsed], values, force),
                replace=yes,
            )

    made = with_consent(work, model, codec, accepted=accept_licence, ask=not json_)
    for message in dict.fromkeys(m for record in made.records for m in record.warnings):
        warn(message)

    def show(console: Console) -> None:
        def line(text: str) -> None:
            console.print(text, markup=False, soft_wrap=True)

        line(f"Bundles: {made.records[0].choice}")
        for path, record in zip(made.files, made.records, strict=True):
            volumes = ", ".join(
                f"{name.replace('_', ' ')} {ml:.1f}" for name, ml in record.volumes_ml.items()
            )
            line(f"{path.name}: t {record.t:.3f}, ml: {volumes}")
        if values.strip().lower() != "mms":
            line(f"Values of the label maps made: {EXPECTED}")
        before = f", {len(made.skipped)} were there before" if made.skipped else ""
        line(f"{len(made.written)} made{before}: {made.folder}")
        line(made.records[0].notice)

    document = {
        "folder": str(made.folder),
        "written": [path.name for path in made.written],
        "skipped": [path.name for path in made.skipped],
        "records": [record.model_dump(mode="json") for record in made.records],
    }
    return Answer(document, show)
