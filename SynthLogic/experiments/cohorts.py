"""Simulated cohorts of the experiments, written once, side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from SynthLogic.experiments.tasks import Report, Task, run_tasks
from SynthLogic.volume import Volume, write_volume


def write_cohort(
    folder: Path,
    function: str,
    *,
    seed: int,
    first: int,
    count: int,
    workers: int = 1,
    report: Report | None = None,
    **options: Any,
) -> Path:
    """Make ``sub-NNNN`` for subjects ``first`` to ``first + count`` of the cohort ``seed``.

    Args:
        folder: for them.
        function: "module:function" of (folder, seed, index, **options) that writes one.
        seed: of the cohort.
        first: index of the first subject.
        count: how many.
        workers: at a time.
        report: told (done, total, unit).
        options: handed on.
    """
    tasks = [
        Task(
            f"sub-{index + 1:04d}",
            function,
            {"folder": str(folder / f"sub-{index + 1:04d}"), "seed": seed, "index": index, **options},
        )
        for index in range(first, first + count)
    ]
    run_tasks(tasks, folder / ".made", workers=workers, report=report)
    return folder


def write_subject(folder: Path, files: Mapping[str, Volume], parameters: Mapping[str, Any]) -> None:
    """Write volumes by name, and ``subject.json``, which tells subjects apart."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, volume in files.items():
        write_volume(folder / f"{name}.nii.gz", volume)
    (folder / "subject.json").write_text(json.dumps(dict(parameters), default=str) + "\n", encoding="utf-8")


def within(volume: Volume, mask: np.ndarray, background: float = 0) -> Volume:
    """The volume with ``background`` outside a mask (K, J, I)."""
    return volume.with_array(np.where(mask, volume.array, volume.array.dtype.type(background)))


__all__ = ["within", "write_cohort", "write_subject"]
