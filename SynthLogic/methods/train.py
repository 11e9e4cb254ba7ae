"""Run a training: data, trainer, logs, and the bundles at the end."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from SynthLogic.errors import Cancelled, DeviceError
from SynthLogic.methods.base import Method
from SynthLogic.methods.bundle_export import check_cards, export_run
from SynthLogic.methods.callbacks import Overseer, Report, TrainProgress
from SynthLogic.methods.config import TrainConfig
from SynthLogic.methods.family import Material
from SynthLogic.methods.register import method_named
from SynthLogic.methods.run_folder import RunFolder, code_version, disk_trouble, hardware
from SynthLogic.methods.start import ORIGIN, begin_with


@dataclass(frozen=True)
class TrainResult:
    """A training's outcome.

    Attributes:
        folder: of the run.
        bundles: folders of the exported bundles.
        iterations: finished, of all starts together.
        finished: whether the schedule ran to its end, which its patience may have brought nearer.
        warnings: one sentence for everything left out.
    """

    folder: Path
    bundles: tuple[Path, ...]
    iterations: int
    finished: bool
    warnings: tuple[str, ...]


def train(
    config: TrainConfig,
    output_folder: str | Path,
    resume: bool = True,
    progress: Report | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> TrainResult:
    """Train, or go on with the training that lies in the folder, and export its bundles.

    On a CPU, a training that was interrupted and resumed gives the same losses and weights, bit by bit, as
    one that was not; on a GPU, some kernels add up in any order and the two agree closely.

    Args:
        config: the whole recipe.
        output_folder: see ``SynthLogic.methods.run_folder``; bundles go to ``bundles/`` in it.
        resume: go on from the newest checkpoint in the folder; if false, the folder must hold none.
        progress: told where the training stands.
        cancelled: asked after each iteration whether to stop there, with a checkpoint.

    Raises:
        ConfigError: the configuration, or its data.
        DeviceError: the device or precision does not exist here.
        OutputError: the folder.
        TrainingError: losses are no longer numbers, or the disk is full; the last good checkpoint stays.
        Cancelled: the user stopped it; with a checkpoint if by ``cancelled``, else the last one stays.
    """
    device = _device(config)
    if config.threads:
        torch.set_num_threads(config.threads)
    folder = RunFolder(output_folder)
    torch.manual_seed(config.seed)
    method = method_named(config.method)(config)
    if config.channels_last:
        method.in_channels_last()
    checkpoint = folder.resume_point(config, resume)
    before = {} if checkpoint is None else folder.account()
    origin = {key: before[key] for key in ORIGIN if key in before}
    if checkpoint is None:
        origin = begin_with(method, config)

    def say(message: str) -> None:
        if cancelled is not None and cancelled():
            raise Cancelled("Stopped; the same command goes on from there.")
        if progress is not None:
            progress(TrainProgress(method.iteration, method.total, message))

    material = method.family.read(config, say)
    for note in material.notes:
        say(f"Warning: {note}")
    method.batches, method.validation = material.stream, material.validation
    pictures = method.batches.pictures(config.intervals.rows)
    account = {**_account(material, device, before), **origin}
    check_cards(method, account, pictures)
    if checkpoint is not None:
        folder.refuse_other_data(material.volumes, material.held_out, pictures)
    folder.make(config)
    try:
        # What goes on elsewhere is told once something has been trained there.
        folder.write_account(before or account, pictures)
        folder.write_split(material.held_out)
        with _quiet():
            overseer = Overseer(
                config,
                folder,
                pictures,
                progress,
                material.samples_per_epoch,
                began=lambda: folder.write_account(account, pictures),
                cancelled=cancelled,
            )
            _fit(_trainer(config, device, folder, overseer), method, checkpoint)
    except OSError as error:
        raise disk_trouble(error) from error
    say("Exporting the bundles")
    bundles = export_run(folder.path, folder.path / "bundles", overwrite=True)
    return TrainResult(folder.path, bundles, method.iteration, method.finished, material.notes)


def _trainer(config: TrainConfig, device: torch.device, folder: RunFolder, overseer: Overseer) -> Trainer:
    """Lightning for precision, device and loops; iterations, checkpoints and lines are the overseer's."""
    return Trainer(
        accelerator="cpu" if device.type == "cpu" else "cuda",
        devices=1 if device.type == "cpu" else [device.index or 0],
        precision=config.precision,
        max_epochs=-1,
        logger=[
            CSVLogger(folder.logs, name="losses"),
            TensorBoardLogger(folder.logs, name="tensorboard", version=""),
        ],
        callbacks=[overseer],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


def _account(material: Material, device: torch.device, before: dict[str, Any]) -> dict[str, Any]:
    """For ``RunFolder.write_account``; a run that goes on elsewhere names all machines and versions."""
    here = {"hardware": hardware(device), "code_version": code_version()}
    for key, value in here.items():
        earlier = before.get(key, value)
        here[key] = earlier if value in earlier.split("; ") else f"{earlier}; {value}"
    return {"volumes": material.volumes, "notes": [*material.notes], **here}


def _fit(trainer: Trainer, method: Method, checkpoint: Path | None) -> None:
    stopped = Cancelled("The training was stopped; start it again to go on from its last checkpoint.")
    try:
        trainer.fit(method, ckpt_path=checkpoint)
    except (KeyboardInterrupt, SystemExit) as error:
        raise stopped from error
    # Older Lightning swallows the interrupt.
    if trainer.interrupted:
        raise stopped


def _device(config: TrainConfig) -> torch.device:
    wanted = config.device
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(wanted)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(f"Device {wanted} does not exist here; set device to cpu or auto.")
    if device.type == "cpu" and config.precision == "16-mixed":
        raise DeviceError("A CPU cannot train in 16-mixed; set precision to bf16-mixed or 32-true.")
    return device


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's own remarks out of the way: position in the data, workers and steps are ours."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
