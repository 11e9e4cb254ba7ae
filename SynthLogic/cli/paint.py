"""``crossmodalsynth paint``: an MR painted from labels of a heart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from SynthLogic.cli.console import Answer, progress_bar, warn
from SynthLogic.cli.hearts import (
    STYLE_HELP,
    Force,
    Painter,
    Values,
    bundle_of,
    parse_style,
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
from SynthLogic.cli.outputs import may_replace, to_bar
from SynthLogic.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from SynthLogic.jobs import HeartRecord

EPILOG = example(
    "crossmodalsynth paint labels.nii.gz mr.nii.gz",
    "crossmodalsynth paint acdc_gt.nii.gz mr.nii.gz --labels acdc --style seed:7",
    "crossmodalsynth paint labels.nii.gz mr.nii.gz --style scan:other.nii.gz,other_labels.nii.gz",
)


def paint(
    labels: Annotated[
        Path, typer.Argument(metavar="LABELS", help="Label map of a heart: .nii, .nii.gz, .nrrd or .mha.")
    ],
    output: Annotated[
        Path, typer.Argument(metavar="OUTPUT", help=".nii, .nii.gz, .nrrd or .mha file to write.")
    ],
    style: Annotated[str | None, typer.Option("--style", metavar="STYLE", help=STYLE_HELP)] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Draw from the style; without it, its middle is taken.")
    ] = None,
    values: Values = "mms",
    model: Painter = None,
    device: Device = "auto",
    precision: PrecisionChoice = Precision.auto,
    force: Force = False,
    accept_licence: AcceptLicence = False,
    yes: Yes = False,
    json_: JsonFlag = False,
    debug: DebugFlag = False,
) -> Answer:
    """Paint a synthetic MR from the labels of a heart, on exactly the label map's grid.

    Same labels, style and seed: same voxels. OUTPUT.record.json beside it says how it was made. What lies
    more than 96 mm from the heart, or beyond its first and last slice, is background. For research only.
    """
    from SynthLogic.jobs import PaintRequest, record_path
    from SynthLogic.jobs import paint as run_paint

    choice, paths = parse_style(style)
    choice = _seeded(choice, seed)
    data = {
        "style": choice,
        "labels": values,
        "device": device.lower(),
        "precision": precision.value,
        "force": force,
    }
    request = request_of(PaintRequest, data)
    may_replace((output, record_path(output)), yes, ask=not json_)

    def work() -> HeartRecord:
        name, bundle = bundle_of(model, accept_licence)
        with cancel_on_interrupt() as cancelled, progress_bar("Painting", quiet=json_) as bar:
            return run_paint(
                request.model_copy(update={"model": name}),
                labels,
                output,
                to_bar(bar),
                cancelled,
                bundle=bundle,
                reference_paths=paths,
            )

    record = with_consent(work, model, accepted=accept_licence, ask=not json_)
    return painted(record, output, {})


def painted(record: HeartRecord, output: Path, extra: dict[str, Any], code: int = 0) -> Answer:
    """What is said of an image that was painted."""
    from SynthLogic.jobs import record_path

    for message in record.warnings:
        warn(message)

    def show(console: Console) -> None:
        def line(text: str) -> None:
            console.print(text, markup=False, soft_wrap=True)

        line(f"Bundle: {record.choice}")
        volumes = ", ".join(f"{name.replace('_', ' ')} {ml:.1f} ml" for name, ml in record.volumes_ml.items())
        line(f"Heart: {record.frame.shape[0]} slices, {volumes}")
        seconds = sum(record.timings.values())
        line(f"Ran on {record.device_name} ({record.device}), {record.precision}, {seconds:.1f} s.")
        line(f"Output: {output}")
        line(f"Record: {record_path(output)}")
        if "identical" in extra:
            line("The voxels are identical." if extra["identical"] else "The voxels are NOT identical.")
        line(record.notice)

    document = {
        "output": str(output),
        "record_file": str(record_path(output)),
        **extra,
        "record": record.model_dump(mode="json"),
    }
    return Answer(document, show, code)


def _seeded(choice: dict[str, Any] | None, seed: int | None) -> dict[str, Any] | None:
    if seed is None:
        return choice
    if choice is None:
        return {"kind": "seed", "seed": seed}
    if choice["kind"] != "named" or choice["seed"] is not None:
        raise ConfigError("--seed goes with the name of a style only; leave it out.")
    return {**choice, "seed": seed}
