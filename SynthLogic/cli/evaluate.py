"""``crossmodalsynth evaluate``: figures of synthetic images against truth or input, with statistics."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from SynthLogic.cli.console import Answer, progress_bar, warn
from SynthLogic.cli.interrupt import cancel_on_interrupt
from SynthLogic.cli.options import DebugFlag, JsonFlag, Target, Yes, example
from SynthLogic.cli.outputs import may_replace
from SynthLogic.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from SynthLogic.jobs.evaluate import Evaluation

EPILOG = example(
    "crossmodalsynth evaluate synthetic.nii.gz ct.nii.gz --mask body --labels labels.nii.gz",
    "crossmodalsynth evaluate ours 'cohort/*/ct.nii.gz' --against theirs --output evaluation",
    "crossmodalsynth evaluate mr.nii.gz --input ct.nii.gz",
)
_PLACE = "File, DICOM folder, folder of volumes, or pattern in quotes"


class Kind(str, Enum):
    """What is compared."""

    images = "images"
    labels = "labels"


class Mask(str, Enum):
    """Where it is compared."""

    all = "all"
    body = "body"


def evaluate(
    synthetic: Annotated[Path, typer.Argument(metavar="SYNTHETIC", help=f"Images to judge. {_PLACE}.")],
    truth: Annotated[
        Path | None, typer.Argument(metavar="TRUTH", help="True images, matched by subject.")
    ] = None,
    input_: Annotated[
        Path | None, typer.Option("--input", metavar="PATH", help="What the images were made from.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option("--labels", metavar="PATH", help="Label maps on the truth's grid: regions.")
    ] = None,
    names: Annotated[
        str | None,
        typer.Option("--names", metavar="LIST|JSON", help="Regions to show, such as '1=LV cavity,2=aorta'."),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option("--against", metavar="PATH", help="Other images of the subjects; may be repeated."),
    ] = None,
    kind: Annotated[
        Kind, typer.Option("--kind", help="Label maps get Dice and surface distances instead.")
    ] = Kind.images,
    mask: Annotated[Mask, typer.Option("--mask", help="Voxels that count.")] = Mask.all,
    modality: Annotated[
        Target | None,
        typer.Option("--modality", case_sensitive=False, help="Of the images; else read from their values."),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(
            "--window", metavar="LOW,HIGH", help="Mapped to [0, 255]; -150,350 for CT and 0,100 for MR."
        ),
    ] = None,
    bins: Annotated[int, typer.Option(min=2, max=1024, help="Bins of mutual information.")] = 64,
    misalignment: Annotated[
        bool,
        typer.Option(
            "--misalignment", help="Also how far images lie from input or truth; takes seconds each."
        ),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FOLDER", help="Folder for tables and JSON.")
    ] = None,
    yes: Yes = False,
    json_: JsonFlag = False,
    debug: DebugFlag = False,
) -> Answer:
    """Measure synthetic images against truth or input: errors, SSIM, mutual information, and statistics.

    Several subjects are matched by relative path, file name, sub-XXXX or subject's folder. With --against,
    paired tests by subject. Exit code 2 says that a subject could not be measured.
    """
    from SynthLogic.jobs.evaluate import FILES, EvaluateRequest
    from SynthLogic.jobs.evaluate import evaluate as run
    from SynthLogic.jobs.evaluate_request import parse_names
    from SynthLogic.jobs.evaluate_tables import document_of

    request = EvaluateRequest.from_data(
        {
            "kind": kind.value,
            "mask": mask.value,
            "modality": modality.value if modality else None,
            "window": _window(window),
            "bins": bins,
            "names": parse_names(names) if names else {},
            "misalignment": misalignment,
            "seed": seed,
        }
    )
    files = [] if output is None else [output / name for name in FILES]
    may_replace(files, yes, ask=not json_)
    with cancel_on_interrupt() as cancelled, progress_bar("Evaluating", quiet=json_) as bar:
        found = run(
            request,
            synthetic,
            truth,
            source=input_,
            labels=labels,
            against=tuple(against or ()),
            output=output,
            progress=bar,
            cancel=cancelled,
        )
    for warning in found.warnings:
        warn(warning)
    document: dict[str, Any] = {
        "output": None if output is None else str(output),
        "files": [str(path) for path in files],
        **document_of(found),
    }
    return Answer(document, lambda console: _show(console, found, files), code=2 if found.failed else 0)


def _window(text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != 2:
        raise ConfigError(f"--window {text!r} is not two numbers; write for example --window=-150,350.")
    return values


def _show(console: Console, evaluation: Evaluation, files: list[Path]) -> None:
    from rich.table import Table
    from rich.text import Text

    subjects, regions, over, compared = evaluation.tables
    one = len({row.subject for row in evaluation.rows}) == 1
    if one:
        # Figures downwards: a dozen columns fit no terminal.
        for table in (subjects, regions):
            if table.rows:
                turned = Table(title=table.title, title_justify="left")
                first = len(table.columns) - len(evaluation.measures)
                turned.add_column("")
                for row in table.to_texts():
                    turned.add_column(Text(", ".join(row[1 : first - 1])), justify="right")
                body = zip(*(row[first - 1 :] for row in table.to_texts()), strict=True)
                for column, cells in zip(table.columns[first - 1 :], body, strict=True):
                    turned.add_row(Text(column.heading), *map(Text, cells))
                console.print(turned)
    else:
        console.print(over.to_rich())
    if compared.rows:
        console.print(compared.to_rich())
    for path in files:
        console.print(f"Table: {path}", markup=False, soft_wrap=True)


__all__ = ["EPILOG", "evaluate"]
