"""The folder of a run: configuration, account of the data, checkpoints, logs, pictures.

config.yaml              the configuration, folders included
run.json                 what was trained on, where, by which code
inputs.npz               the fixed batch of the pictures
checkpoints/iteration-00001000.ckpt
logs/losses/version_N/metrics.csv, logs/tensorboard/
pictures/iteration-00001000-a_to_b.png, pictures/losses.png
"""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import pickle
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from SynthLogic import __version__
from SynthLogic.errors import ConfigError, OutputError, TrainingError
from SynthLogic.methods.config import TrainConfig
from SynthLogic.methods.read import load_config

_ALIKE = 0.01
_CHECKPOINT = re.compile(r"iteration-(\d+)\.ckpt")


class RunFolder:
    """Paths and files of one run.

    Args:
        path: the folder; need not exist yet.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def logs(self) -> Path:
        """Folder of the logs."""
        return self.path / "logs"

    @property
    def pictures(self) -> Path:
        """Folder of the pictures."""
        return self.path / "pictures"

    def resume_point(self, config: TrainConfig, resume: bool) -> Path | None:
        """The checkpoint to go on from, or None for a new run.

        Raises:
            OutputError: the folder holds a run and ``resume`` is false, its newest checkpoint is damaged, or
                there is a file in its place.
            ConfigError: the folder holds a run of another configuration.
        """
        if self.path.exists() and not self.path.is_dir():
            raise OutputError(f"{self.path} is a file; choose a folder for the training.")
        checkpoint = self.newest_checkpoint()
        if checkpoint is not None and not resume:
            raise OutputError(f"{self.path} already holds a training; resume it or choose another folder.")
        if checkpoint is not None:
            before, now = self.config().experiment(), config.experiment()
            changed = sorted(key for key in now if now[key] != before.get(key))
            if changed:
                raise ConfigError(
                    f"{self.path} holds a training with another {changed[0]!r}; choose another folder or the "
                    "configuration it was started with."
                )
            self.saved(checkpoint)
        return checkpoint

    def make(self, config: TrainConfig) -> None:
        """Make the folder and write the configuration into it.

        Raises:
            OutputError: the folder cannot be written.
        """
        try:
            for folder in (self.path / "checkpoints", self.logs, self.pictures):
                folder.mkdir(parents=True, exist_ok=True)
            text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
            _write_whole(self.path / "config.yaml", text.encode())
        except OSError as error:
            raise OutputError(
                f"{self.path} cannot be written ({error.strerror}); choose another folder."
            ) from error

    def config(self) -> TrainConfig:
        """The configuration of the run in this folder."""
        return load_config(self.path / "config.yaml")

    def checkpoints(self) -> list[Path]:
        """Checkpoints, oldest first."""
        found = ((_CHECKPOINT.fullmatch(p.name), p) for p in (self.path / "checkpoints").glob("*.ckpt"))
        return [p for _, p in sorted((int(match[1]), p) for match, p in found if match)]

    def newest_checkpoint(self) -> Path | None:
        """The checkpoint with the highest iteration, or None."""
        return next(iter(reversed(self.checkpoints())), None)

    def checkpoint_path(self, iteration: int) -> Path:
        """Where the checkpoint of an iteration goes."""
        return self.path / "checkpoints" / f"iteration-{iteration:08d}.ckpt"

    def prune(self, keep: int) -> None:
        """Remove all but the newest checkpoints."""
        for path in self.checkpoints()[:-keep]:
            path.unlink(missing_ok=True)

    def write_account(self, account: dict[str, Any], inputs: dict[str, Tensor]) -> None:
        """Write ``run.json`` and ``inputs.npz``."""
        _write_whole(self.path / "run.json", (json.dumps(account, indent=2) + "\n").encode())
        arrays: dict[str, Any] = {key: value.numpy() for key, value in inputs.items()}
        whole = io.BytesIO()
        np.savez_compressed(whole, **arrays)
        _write_whole(self.path / "inputs.npz", whole.getvalue())

    def write_split(self, held_out: Sequence[tuple[str, str]]) -> None:
        """Write ``held_out.csv``: who was kept out of the training, for whoever tests on them."""
        if not held_out:
            (self.path / "held_out.csv").unlink(missing_ok=True)
            return
        whole = io.StringIO()
        csv.writer(whole, lineterminator="\n").writerows([("subject", "image"), *held_out])
        _write_whole(self.path / "held_out.csv", whole.getvalue().encode())

    def account(self) -> dict[str, Any]:
        """What ``write_account`` wrote."""
        try:
            return json.loads((self.path / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise OutputError(f"{self.path} holds no training (run.json is missing or damaged).") from error

    def saved(self, checkpoint: Path) -> dict[str, Any]:
        """What a checkpoint holds, on the CPU.

        Raises:
            OutputError: it is damaged.
        """
        try:
            found: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError) as error:
            others = len(self.checkpoints()) > 1
            then = "the one before it is taken then" if others else "there is no other one"
            raise OutputError(
                f"Checkpoint {checkpoint} is damaged and cannot be read; remove it ({then})."
            ) from error
        return found

    def refuse_other_data(
        self,
        volumes: dict[str, list[int]],
        held_out: Sequence[tuple[str, str]],
        pictures: Mapping[str, Tensor],
    ) -> None:
        """Refuse to go on with other volumes than those the training began with, or other people held out.

        The folders may have moved; what is drawn for the pictures must look the same.

        Args:
            volumes: see ``Material``.
            held_out: likewise.
            pictures: the fixed batch of the pictures, drawn from the data as they are now.

        Raises:
            ConfigError: the data are others.
        """
        before = self.account().get("volumes")
        now = json.loads(json.dumps(volumes))
        apart = {(subject, Path(path).name) for subject, path in held_out}
        if before != now:
            what = f"volumes were {before}, now {now}"
        elif apart != self._held_out():
            what = f"{len(self._held_out())} files were held out, now {len(apart)} or others"
        elif _differ(self.inputs(), pictures):
            what = "its fixed samples look different"
        else:
            return
        raise ConfigError(
            f"The data are not those that the training in {self.path} began with ({what}); give it the data "
            "of its beginning, or choose another folder."
        )

    def _held_out(self) -> set[tuple[str, str]]:
        """Subject and file name of those that ``write_split`` wrote."""
        try:
            text = (self.path / "held_out.csv").read_text(encoding="utf-8")
        except OSError:
            return set()
        return {(row["subject"], Path(row["image"]).name) for row in csv.DictReader(io.StringIO(text))}

    def inputs(self) -> dict[str, Tensor]:
        """The fixed batch."""
        with np.load(self.path / "inputs.npz") as arrays:
            return {key: torch.from_numpy(arrays[key]) for key in arrays}


def _differ(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Whether two batches of pictures, of which one may have more rows, show different things."""
    for key in one.keys() & other.keys():
        rows = min(len(one[key]), len(other[key]))
        a, b = one[key][:rows].float(), other[key][:rows].float()
        # Another processor rounds differently.
        if a.shape != b.shape or float((a - b).abs().mean()) > _ALIKE:
            return True
    return False


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file, or leave the one that is there: a full disk must not leave half of it."""
    if path.is_file() and path.read_bytes() == content:
        return
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def disk_trouble(error: BaseException) -> TrainingError:
    """The sentence for a file that could not be written while training."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return TrainingError(
            "The disk is full; make room and start again: training goes on from the last checkpoint."
        )
    reason = getattr(error, "strerror", None) or type(error).__name__
    return TrainingError(
        f"A file of the training cannot be written ({reason}); correct it and start again: training goes on "
        "from the last checkpoint."
    )


def code_version(package: Path = Path(__file__).resolve().parents[1]) -> str:
    """The code's version: of the checkout if there is one, else of the package.

    It ends in "-dirty" where the package differs from what is committed; documents do not count.
    """
    try:
        described = _git(package, "describe", "--always", "--tags")
        dirty = "-dirty" if _git(package, "status", "--porcelain", "--", ".") else ""
    except (OSError, subprocess.SubprocessError):
        return __version__
    return f"{__version__}+{described}{dirty}"


def _git(folder: Path, *arguments: str) -> str:
    """What git says in a folder."""
    return subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True
    ).stdout.strip()


def hardware(device: torch.device) -> str:
    """The processor and torch, without the name of the machine."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return f"{name}, {os.cpu_count()} CPU cores, torch {torch.__version__}"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
