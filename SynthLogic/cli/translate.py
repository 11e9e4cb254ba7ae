"""``crossmodalsynth translate`` and ``rerun``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from SynthLogic.cli.console import Answer, progress_bar, warn
from SynthLogic.cli.inputs import parse_planes, read_parent_transform
from SynthLogic.cli.interrupt import cancel_on_interrupt
from SynthLogic.cli.licence import with_consent
from SynthLogic.cli.options import (
    AcceptLicence,
    DebugFlag,
    Device,
    Force,
    JsonFlag,
    Model,
    Precision,
    PrecisionChoice,
    Target,
    Yes,
    example,
)
from SynthLogic.cli.outputs import may_replace, to_bar
from SynthLogic.cli.paint import painted
from SynthLogic.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from SynthLogic.jobs import Record, TranslateRequest

TRANSLATE_EPILOG = example(
    "crossmodalsynth translate ct.nii.gz mr.nii.gz --to MR",
    "crossmodalsynth translate dicom_folder ct.nrrd --to CT --device cuda:0",
    "crossmodalsynth translate ct.nii.gz mr.nii.gz --to MR --labels segmentation.nii.gz",
)
RERUN_EPILOG = example("crossmodalsynth rerun mr.record.json --input ct.nii.gz")
RECORD_ENDING = ".record.json"

Input = Annotated[
    Path,
    typer.Argument(metavar="INPUT", help=".nii, .nii.gz, .nrrd, .mha, or a folder with one DICOM series."),
]
Region = Annotated[
    Path | None,
    typer.Option(
        "--region", metavar="FILE", help="Image on the scan's grid; only where it is not 0 is translated."
    ),
]

Labels = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        metavar="FILE",
        help="Label map on the scan's grid, for a bundle that translates one along.",
    ),
]


def translate(
    input_: Input,
    output: Annotated[
        Path, typer.Argument(metavar="OUTPUT", help=".nii, .nii.gz, .nrrd or .mha file to write.")
    ],
    to: Annotated[Target, typer.Option("--to", case_sensitive=False, help="Modality to make.")],
    model: Model = None,
    device: Device = "auto",
    precision: PrecisionChoice = Precision.auto,
    planes: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Planes to run and fuse, such as axial,coronal,sagittal."),
    ] = None,
    disagreement: Annotated[
        bool,
        typer.Option("--disagreement", help="Also write OUTPUT.disagreement: how much the planes differ."),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same device, same voxels.")] = 0,
    parent_transform: Annotated[
        Path | None,
        typer.Option(
            "--parent-transform", metavar="FILE", help="Text file with the 4x4 matrix the scan hangs under."
        ),
    ] = None,
    region: Region = None,
    labels: Labels = None,
    force: Force = False,
    accept_licence: AcceptLicence = False,
    yes: Yes = False,
    json_: JsonFlag = False,
    debug: DebugFlag = False,
) -> Answer:
    """Make a synthetic MR from a CT, or a synthetic CT from an MR, on exactly the input's grid.

    OUTPUT.record.json beside it says how it was made; OUTPUT.labels are the labels that go with it, if some
    were given. For research only, not for diagnosis.
    """
    wanted = {
        "target": to.value,
        "device": device.lower(),
        "precision": precision.value,
        "planes": parse_planes(planes),
        "seed": seed,
        "force": force,
        "disagreement": disagreement,
        "parent_transform": None
        if parent_transform is None
        else read_parent_transform(parent_transform).tolist(),
    }
    from SynthLogic.bundles import find
    from SynthLogic.jobs import translate as run_translate

    request = _request(wanted)
    may_replace(_files(output, disagreement, labels is not None), yes, ask=not json_)

    def work() -> Record:
        bundle = None if model is None else find(model, consent=accept_licence)
        with cancel_on_interrupt() as cancelled, progress_bar("Translating", quiet=json_) as bar:
            return run_translate(
                request,
                input_,
                output,
                to_bar(bar),
                cancelled,
                bundle=bundle,
                region_path=region,
                labels_path=labels,
            )

    record = with_consent(work, model, accepted=accept_licence, ask=not json_)
    return _answer(record, output, {})


def rerun(
    record: Annotated[Path, typer.Argument(metavar="RECORD", help="OUTPUT.record.json of an earlier run.")],
    input_: Annotated[
        Path, typer.Option("--input", metavar="FILE", help="The scan or labels that it was made from.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Where to; NAME.rerun.nii.gz beside the record."),
    ] = None,
    region: Region = None,
    labels: Labels = None,
    before: Annotated[
        Path | None,
        typer.Option(
            "--before", metavar="FILE", help="The labels before an edit, if it was painted after one."
        ),
    ] = None,
    model: Model = None,
    force: Annotated[
        bool, typer.Option("--force", help="Run on another device, where last digits may differ.")
    ] = False,
    accept_licence: AcceptLicence = False,
    yes: Yes = False,
    json_: JsonFlag = False,
    debug: DebugFlag = False,
) -> Answer:
    """Make the same voxels again, from a record and the scan, or labels of a heart, that it names.

    Exit code 2 says that they are not the same, unless --force expects that.
    """
    from SynthLogic.bundles import find
    from SynthLogic.jobs import HeartRecord, Rerun, read_any_record
    from SynthLogic.jobs import rerun as run_again

    old = read_any_record(record)
    target = output or record.with_name(f"{record.name.removesuffix(RECORD_ENDING)}.rerun.nii.gz")
    disagreement = not isinstance(old, HeartRecord) and old.request.disagreement
    may_replace(_files(target, disagreement, labels is not None), yes, ask=not json_)

    def work() -> Rerun:
        bundle = None if model is None else find(model, consent=accept_licence)
        with cancel_on_interrupt() as cancelled, progress_bar("Translating", quiet=json_) as bar:
            return run_again(
                old,
                input_,
                target,
                to_bar(bar),
                cancelled,
                bundle=bundle,
                region_path=region,
                before_path=before,
                labels_path=labels,
                force=force,
            )

    again = with_consent(work, model, accepted=accept_licence, ask=not json_)
    for difference in again.differences:
        warn(difference)
    extra = {"identical": again.identical, "differences": list(again.differences)}
    code = 0 if again.identical or force else 2
    if isinstance(again.record, HeartRecord):
        return painted(again.record, target, extra, code)
    return _answer(again.record, target, extra, code)


def _request(wanted: dict[str, Any]) -> TranslateRequest:
    from pydantic import ValidationError

    from SynthLogic.jobs import TranslateRequest

    try:
        return TranslateRequest.model_validate(wanted)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        option = f"--{first['loc'][0]}".replace("_", "-")
        raise ConfigError(f"{option} {first['input']!r} is not understood; see --help.") from error


def _files(output: Path, disagreement: bool, labels: bool) -> tuple[Path, ...]:
    """All that will be written; x.nrrd and x.nii share a record."""
    from SynthLogic.jobs import disagreement_path, label_map_path, record_path

    extra = [disagreement_path(output)] if disagreement else []
    extra += [label_map_path(output)] if labels else []
    return (output, record_path(output), *extra)


def _answer(record: Record, output: Path, extra: dict[str, Any], code: int = 0) -> Answer:
    from SynthLogic.jobs import disagreement_path, label_map_path, record_path

    for message in record.warnings:
        warn(message)
    files = {"output": output, "record_file": record_path(output)}
    if record.request.disagreement:
        files["disagreement"] = disagreement_path(output)
    if record.labels_hash is not None:
        files["labels"] = label_map_path(output)

    def show(console: Console) -> None:
        def line(text: str) -> None:
            console.print(text, markup=False, soft_wrap=True)

        line(f"Bundle: {record.choice}")
        planes = ", ".join(record.planes)
        seconds = sum(record.timings.values())
        line(f"Ran on {record.device_name} ({record.device}), {record.precision}, {planes}, {seconds:.1f} s.")
        for name, path in files.items():
            line(f"{name.removesuffix('_file').capitalize()}: {path}")
        if "identical" in extra:
            line("The voxels are identical." if extra["identical"] else "The voxels are NOT identical.")
        line(record.notice)

    document = {
        **{name: str(path) for name, path in files.items()},
        **extra,
        "record": record.model_dump(mode="json"),
    }
    return Answer(document, show, code)
