"""``crossmodalsynth phantom``: simulated subjects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from SynthLogic.cli.console import Answer, progress_bar
from SynthLogic.cli.options import DebugFlag, JsonFlag, example
from SynthLogic.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

EPILOG = example("crossmodalsynth phantom cohort --anatomy thorax --subjects 2 --seed 7")


def phantom(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write to; one folder a subject.")],
    anatomy: Annotated[str, typer.Option(help="What to simulate: thorax, heart, hip or brain.")] = "thorax",
    subjects: Annotated[int, typer.Option(min=1, help="How many.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same subjects.")] = 0,
    shape: Annotated[str | None, typer.Option(metavar="K,J,I", help="Voxels, such as 128,128,128.")] = None,
    spacing: Annotated[
        str | None, typer.Option(metavar="I,J,K", help="Voxel size in mm, such as 2.5,2.5,2.5.")
    ] = None,
    deformation: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="MM", help="Largest displacement between CT and MR; 0 for one shared grid."
        ),
    ] = None,
    grids: Annotated[
        str | None, typer.Option(metavar="WHICH", help="Of a hip: shared by CT and MR, or own ones.")
    ] = None,
    lesions: Annotated[
        str | None, typer.Option(metavar="WHICH", help="Of a brain: none, tumour or stroke.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that simulate side by side.")] = 1,
    json_: JsonFlag = False,
    debug: DebugFlag = False,
) -> Answer:
    """Simulate subjects with exact truth.

    A thorax has a CT, an MR, their noise-free references and labels. A heart has cine short-axis stacks at
    end diastole and end systole with labels, from one of two vendors. A hip has what a thorax has, on a
    coronal stack. A brain has T1, T2 and PD MR and a CT, on an axial stack.
    """
    from SynthLogic.phantoms import write_cohort

    options: dict[str, Any] = {}
    if deformation is not None:
        options["deformation_mm"] = deformation
    if shape is not None:
        options["shape"] = _three(shape, int, "--shape", "128,128,128")
    if spacing is not None:
        options["spacing"] = _three(spacing, float, "--spacing", "2.5,2.5,2.5")
    if grids is not None:
        options["grids"] = grids
    if lesions is not None:
        options["lesions"] = lesions
    with progress_bar("Simulating", quiet=json_) as report:
        folders = write_cohort(
            folder,
            anatomy=anatomy,
            subjects=subjects,
            seed=seed,
            workers=workers,
            progress=lambda done, total: report(done, total, "subjects"),
            **options,
        )
    names = [path.name for path in folders]

    def show(console: Console) -> None:
        noun = "subject" if len(names) == 1 else "subjects"
        console.print(f"{len(names)} {noun} in {folder}: {names[0]}", end="", markup=False, soft_wrap=True)
        console.print(f" to {names[-1]}" if len(names) > 1 else "")
        console.print("SIMULATED phantoms, not patients.")

    return Answer({"anatomy": anatomy, "seed": seed, "folder": str(folder), "subjects": names}, show)


def _three(text: str, kind: type, option: str, sample: str) -> tuple[Any, ...]:
    parts = text.replace("x", ",").split(",")
    try:
        values = tuple(kind(part) for part in parts)
    except ValueError:
        values = ()
    if len(values) != 3:
        raise ConfigError(f"{option} {text!r} is not three numbers; write for example {option} {sample}.")
    return values
