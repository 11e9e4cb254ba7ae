"""``crossmodalsynth train``: train from a configuration and export bundles."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from SynthLogic.cli.console import Answer, progress_bar, warn
from SynthLogic.cli.group import needs_extra
from SynthLogic.cli.interrupt import cancel_on_interrupt
from SynthLogic.cli.options import DebugFlag, JsonFlag, example
from SynthLogic.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from SynthLogic.methods import TrainConfig, TrainProgress

EPILOG = example("crossmodalsynth train Resources/training/thorax.yaml --output runs/thorax --max-time 60")


def train(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="YAML file that says everything about the training.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="DIR", help="Folder of the run; runs/NAME if not given."),
    ] = None,
    real_data: Annotated[
        Path | None,
        typer.Option("--real-data", metavar="DIR", help="Folder of the configuration's root 'real'."),
    ] = None,
    roots: Annotated[
        list[str] | None,
        typer.Option("--root", metavar="NAME=DIR", help="Folder of another root; may be repeated."),
    ] = None,
    resume: Annotated[
        bool, typer.Option(help="Go on with the training in the folder, or refuse if one is there.")
    ] = True,
    max_time: Annotated[
        float | None,
        typer.Option("--max-time", metavar="MIN", help="Stop after so many minutes, with a checkpoint."),
    ] = None,
    json_: JsonFlag = False,
    debug: DebugFlag = False,
) -> Answer:
    """Train a model and export it as a bundle; an interrupted training goes on where it stopped."""
    folder = output or Path("runs") / config.stem
    _require_training_libraries()
    with needs_extra("train", "Training"):
        from SynthLogic.methods import load_config
        from SynthLogic.methods import train as run_training
    settings = _with_options(load_config(config), real_data, roots or [], max_time)
    with cancel_on_interrupt() as cancelled, progress_bar("Training", quiet=json_) as bar:

        def report(progress: TrainProgress) -> None:
            bar(progress.done, progress.total, "iterations")
            if not sys.stderr.isatty() or progress.message.startswith("Warning"):
                sys.stderr.write(progress.message + "\n")

        result = run_training(settings, folder, resume=resume, progress=report, cancelled=cancelled)
    for message in result.warnings:
        warn(message)
    bundles = [str(path) for path in result.bundles]

    def show(console: Console) -> None:
        state = "Finished" if result.finished else "Stopped in time; the same command goes on"
        console.print(
            f"{state} after {result.iterations} iterations: {result.folder}", markup=False, soft_wrap=True
        )
        for path in bundles:
            console.print(f"Bundle: {path}", markup=False, soft_wrap=True)

    document = {
        "folder": str(result.folder),
        "bundles": bundles,
        "iterations": result.iterations,
        "finished": result.finished,
        "warnings": list(result.warnings),
    }
    return Answer(document, show)


def _with_options(
    settings: TrainConfig, real_data: Path | None, roots: list[str], max_time: float | None
) -> TrainConfig:
    folders = {}
    for entry in roots:
        name, separator, folder = entry.partition("=")
        if not (name and separator and folder):
            raise ConfigError(f"--root {entry!r} is not NAME=DIR; write for example --root phantoms=cohort.")
        folders[name] = folder
    if real_data is not None:
        folders["real"] = str(real_data)
    if folders:
        settings = settings.with_roots(folders)
    if max_time is None:
        return settings
    if not 0 < max_time < math.inf:
        raise ConfigError(f"--max-time {max_time:g} is no time to train in; give minutes above 0.")
    return settings.model_copy(update={"max_minutes": max_time})


def _require_training_libraries() -> None:
    for name in ("lightning", "matplotlib", "tensorboard"):
        if importlib.util.find_spec(name) is None:
            raise ConfigError(f"Training needs {name}: pip install 'crossmodalsynth[train]'.")
