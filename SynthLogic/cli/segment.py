"""``crossmodalsynth segment``: structures of a scan, by a bundle that was trained to find them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from SynthLogic.cli.console import Answer, progress_bar, warn
from SynthLogic.cli.interrupt import cancel_on_interrupt
from SynthLogic.cli.licence import with_consent
from SynthLogic.cli.options import AcceptLicence, DebugFlag, Device, Force, JsonFlag, Yes, example
from SynthLogic.cli.outputs import may_replace, to_bar

if TYPE_CHECKING:
    from rich.console import Console

    from SynthLogic.jobs.segment import SegmentRecord

EPILOG = example("crossmodalsynth segment ct.nii.gz labels.nii.gz --model my-structures")


def segment(
    input_: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT", help=".nii, .nii.gz, .nrrd, .mha, or a folder with one DICOM series."
        ),
    ],
    output: Annotated[
        Path, typer.Argument(metavar="OUTPUT", help=".nii, .nii.gz, .nrrd or .mha label map to write.")
    ],
    model: Annotated[
        str, typer.Option("--model", metavar="NAME", help="Installed bundle, or the folder of one.")
    ],
    second: Annotated[
        Path | None,
        typer.Option("--second", metavar="FILE", help="Other image of the same subject, on the same grid."),
    ] = None,
    device: Device = "auto",
    force: Force = False,
    accept_licence: AcceptLicence = False,
    yes: Yes = False,
    json_: JsonFlag = False,
    debug: DebugFlag = False,
) -> Answer:
    """Find structures in a scan with a bundle of 'crossmodalsynth train' with method 'unet'.

    OUTPUT.record.json beside it says how it was made. For research only, not for diagnosis.
    """
    from SynthLogic.bundles import Bundle, find
    from SynthLogic.jobs.record import record_path
    from SynthLogic.jobs.segment import segment as run_segment

    may_replace([output, record_path(output)], yes, ask=not json_)

    def work() -> SegmentRecord:
        folder = Path(model)
        bundle = Bundle.open(folder) if folder.is_dir() else find(model, consent=accept_licence)
        with cancel_on_interrupt() as cancelled, progress_bar("Segmenting", quiet=json_) as bar:
            return run_segment(
                input_, output, bundle, second=second, device=device.lower(), force=force,
                progress=to_bar(bar), cancel=cancelled,
            )  # fmt: skip

    record = with_consent(work, model, accepted=accept_licence, ask=not json_)
    for message in record.warnings:
        warn(message)

    def show(console: Console) -> None:
        names = ", ".join(f"{value} {name}" for name, value in record.labels.items() if value)
        console.print(f"Wrote {output}: {names}", markup=False, soft_wrap=True)

    return Answer({"labels": str(output), "record": record.model_dump(mode="json")}, show)
