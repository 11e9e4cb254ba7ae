"""``crossmodalsynth export``: a cohort of offspring, as a folder to train on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from SynthLogic.cli.console import Answer, progress_bar, warn
from SynthLogic.cli.group import EXIT_CANCELLED
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
    example,
)
from SynthLogic.cli.split_table import lent, read_splits, subject_name
from SynthLogic.errors import ConfigError, InputError

if TYPE_CHECKING:
    from rich.console import Console

    from SynthLogic.cohorts import CohortReport
    from SynthLogic.jobs import CohortSubject
    from SynthLogic.jobs.cohort_plan import Place

EPILOG = example(
    "crossmodalsynth export labels/*.nii.gz nnUNet_raw --layout nnunet --steps 4 --test patient07",
    "crossmodalsynth export labels/*.nii.gz cohort --layout bids --style seed:1 --split split.csv",
)


class Layout(str, Enum):
    """How the folder is laid out."""

    nnunet = "nnunet"
    bids = "bids"
    plain = "plain"


def export(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="LABELS... OUTDIR", help="Label maps of hearts, and the folder to write to."),
    ],
    layout: Annotated[
        Layout,
        typer.Option(case_sensitive=False, help="nnU-Net raw, BIDS derivatives, or NIfTI and CSV."),
    ],
    steps: Annotated[int, typer.Option(metavar="N", help="Hearts between each pair.")] = 8,
    slices: Slices = 32,
    path: LatentPath = "line",
    style: Annotated[
        list[str] | None,
        typer.Option(
            "--style",
            metavar="STYLE",
            help=f"Paint every heart in this style; may be repeated; all named if not given. {STYLE_HELP}",
        ),
    ] = None,
    pair: Annotated[
        list[str] | None,
        typer.Option("--pair", metavar="A,B", help="Only this pair, by name; may be repeated."),
    ] = None,
    parents: Annotated[
        bool, typer.Option("--parents", help="Also the hearts themselves, with so many slices.")
    ] = False,
    split: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="Table with the columns subject, split (train, val or test) and, optionally, patient.",
        ),
    ] = None,
    test: Annotated[
        list[str] | None,
        typer.Option("--test", metavar="NAME", help="This subject is for test; may be repeated."),
    ] = None,
    title: Annotated[str, typer.Option(metavar="NAME", help="Of the cohort.")] = "SyntheticHearts",
    dataset_id: Annotated[int, typer.Option("--dataset-id", help="Number of the data set in nnU-Net.")] = 501,
    licence: Annotated[
        str,
        typer.Option(metavar="TEXT", help="Of the images, for the tables; it follows from the hearts' own."),
    ] = "",
    author: Annotated[
        list[str] | None, typer.Option("--author", metavar="NAME", help="For the tables; may be repeated.")
    ] = None,
    keep_parent_names: Annotated[
        bool, typer.Option("--keep-parent-names", help="Write the subjects' own names into files and tables.")
    ] = False,
    values: Values = "mms",
    codec: Codec = None,
    model: Painter = None,
    device: Device = "auto",
    precision: PrecisionChoice = Precision.auto,
    force: Force = False,
    accept_licence: AcceptLicence = False,
    json_: JsonFlag = False,
    debug: DebugFlag = False,
) -> Answer:
    """Make labelled hearts between all pairs of subjects, as a data set to train a segmentation network on.

    A subject is called by its file's name. Offspring of a test subject and another one are left out. Parents
    become P001, P002 .. unless --keep-parent-names. Stopped or killed, the same command goes on where it was
    and makes nothing twice.
    """
    from SynthLogic.jobs import CohortRequest, export_cohort

    if len(inputs) < 2:
        raise ConfigError("Give the label maps of at least one subject, and last the folder to write to.")
    *files, folder = inputs
    if folder.is_file():
        raise ConfigError(f"{folder.name} is a file; the last argument is the folder to write to.")
    names = [subject_name(path) for path in files]
    places = read_splits(split, test or [], names)
    subjects = _subjects(files, places)
    parsed = [parse_style(text) for text in style or []]
    data = {
        "layout": layout.value,
        "title": title,
        "steps": steps,
        "slices": slices,
        "path": path,
        "pairs": "all" if pair is None else tuple(_pair(text, names) for text in pair),
        "styles": tuple(choice for choice, _ in parsed),
        "parents": parents,
        "keep_parent_names": keep_parent_names,
        "dataset_id": dataset_id,
        "licence": " ".join(licence.split()),
        "authors": tuple(" ".join(name.split()) for name in author or ()),
        "labels": values,
        "device": device.lower(),
        "precision": precision.value,
        "force": force,
    }
    request = request_of(CohortRequest, data, {"styles": "--style", "pairs": "--pair", "authors": "--author"})

    def work() -> CohortReport:
        codec_name, codec_bundle = bundle_of(codec, accept_licence)
        model_name, model_bundle = bundle_of(model, accept_licence)
        scans = [paths for _, paths in parsed if paths is not None]
        references = [
            lent(reference, *paths, names, places)
            for reference, paths in zip(read_references(scans, values, force), scans, strict=True)
            if reference is not None
        ]
        with cancel_on_interrupt() as cancelled, progress_bar("Exporting", quiet=json_) as bar:
            return export_cohort(
                request.model_copy(update={"codec": codec_name, "model": model_name}),
                subjects,
                folder,
                lambda done, total, name: bar(done, total, "subjects"),
                cancelled,
                codec_bundle=codec_bundle,
                model_bundle=model_bundle,
                references=references,
                others={name: place for name, place in places.items() if name not in names},
            )

    report = with_consent(work, model, codec, accepted=accept_licence, ask=not json_)
    return _answer(report)


def _answer(report: CohortReport) -> Answer:
    for why in report.failed:
        warn(f"{why.name} could not be made: {why.reason}")

    def show(console: Console) -> None:
        def line(text: str) -> None:
            console.print(text, markup=False, soft_wrap=True)

        before = f", {len(report.skipped)} were there before" if report.skipped else ""
        line(f"{len(report.written)} made{before}: {report.folder}")
        if report.left_out:
            line(
                f"{len(report.left_out)} left out, for example {report.left_out[0].name}: ",
            )
            line(f"  {report.left_out[0].reason}")
        if report.cancelled:
            line("Cancelled; the same command goes on.")
        line("Synthetic images. Research use only, not for diagnosis.")

    document: dict[str, Any] = {
        "folder": str(report.folder),
        "written": list(report.written),
        "skipped": list(report.skipped),
        "left_out": [why._asdict() for why in report.left_out],
        "failed": [why._asdict() for why in report.failed],
        "cancelled": report.cancelled,
        "pseudonyms": dict(report.pseudonyms),
    }
    code = EXIT_CANCELLED if report.cancelled else 2 if report.failed else 0
    return Answer(document, show, code)


def _subjects(files: Sequence[Path], places: Mapping[str, Place]) -> list[CohortSubject]:
    from SynthLogic.jobs import CohortSubject
    from SynthLogic.volume import read_volume

    missing = next((path for path in files if not path.exists()), None)
    if missing is not None:
        raise InputError(f"{missing.name} does not exist; check the path.")
    result = []
    for path in files:
        name = subject_name(path)
        split, patient = places.get(name, (None, None))
        result.append(CohortSubject(name, partial(read_volume, path), split, patient))
    return result


def _pair(text: str, names: Sequence[str]) -> tuple[int, int]:
    parts = [part.strip() for part in text.split(",")]
    unknown = next((part for part in parts if part not in names), None)
    if len(parts) != 2 or unknown is not None:
        what = f"{unknown!r} is no subject" if unknown is not None else "a pair has two names"
        raise ConfigError(f"--pair {text!r}: {what}; there are {', '.join(names[:8])}.")
    return names.index(parts[0]), names.index(parts[1])
