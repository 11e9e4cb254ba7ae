"""``crossmodalsynth experiment``: the papers' tables, trained and measured anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from SynthLogic.cli.console import Answer, progress_bar, tables_answer
from SynthLogic.cli.group import needs_extra
from SynthLogic.cli.options import DebugFlag, JsonFlag, OutputFolder, example

EPILOG = example("crossmodalsynth experiment paper3-tables --scale smoke --output experiments")


def experiment(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[paper1-table1|paper1-sunnybrook|paper2-table1|paper2-segmentation|paper3-tables]",
            help="Which one.",
        ),
    ],
    scale: Annotated[
        str,
        typer.Option(
            "--scale", metavar="smoke|cpu|gpu", help="Minutes, an hour on two cores, or the paper's."
        ),
    ] = "smoke",
    output: OutputFolder = Path("experiments"),
    work: Annotated[
        Path,
        typer.Option(
            "--work",
            metavar="DIR",
            help="Folder for people, trainings and results; the same command goes on.",
        ),
    ] = Path("runs/experiments"),
    workers: Annotated[
        int, typer.Option("--workers", min=1, help="Trainings at a time, one thread each; 1 on a GPU.")
    ] = 1,
    real_data: Annotated[
        Path | None,
        typer.Option(
            "--real-data", metavar="DIR", help="Folder with the scans that paper1-sunnybrook needs."
        ),
    ] = None,
    json_: JsonFlag = False,
    debug: DebugFlag = False,
) -> Answer:
    """Simulate people, train a paper's methods on them, and print its table with the paper's beside it."""
    with needs_extra("train", "An experiment"):
        from SynthLogic import experiments
    with progress_bar(f"{name}, {scale}", quiet=json_) as report:
        tables = experiments.run(
            name, scale, output, work=work, workers=workers, report=report, real_data=real_data
        )
    return tables_answer(tables, output)
