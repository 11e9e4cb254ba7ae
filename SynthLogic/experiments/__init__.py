"""The papers' experiments on simulated people, as commands: each writes its tables beside the paper's."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

from SynthLogic.errors import ConfigError
from SynthLogic.experiments.tasks import Report, account, digest
from SynthLogic.review.tables import Table, write_tables

# Module, and the folder to work in: the experiments of paper 2 share people and trainings.
_MODULES: dict[str, tuple[str, str]] = {
    "paper1-table1": ("paper1", "paper1"),
    "paper1-sunnybrook": ("paper1_sunnybrook", "paper1-sunnybrook"),
    "paper2-table1": ("paper2", "paper2"),
    "paper2-segmentation": ("paper2_segmentation", "paper2"),
    "paper3-tables": ("paper3", "paper3"),
}
EXPERIMENTS = tuple(_MODULES)
SCALES = ("smoke", "cpu", "gpu")


def run(
    name: str,
    scale: str,
    output: Path,
    *,
    work: Path,
    workers: int = 1,
    report: Report | None = None,
    real_data: Path | None = None,
) -> list[Table]:
    """Run an experiment, or go on with it, and write its tables.

    Args:
        name: one of ``EXPERIMENTS``.
        scale: one of ``SCALES``.
        output: folder for NAME-SCALE.md, .csv and .json.
        work: folder for people, trainings and results; nothing in it is made twice.
        workers: processes at a time, one thread each; on a GPU 1.
        report: told (done, total, unit).
        real_data: folder with the real scans that "paper1-sunnybrook" needs; see ``docs/real-scans.md``.

    Raises:
        ConfigError: no such experiment or scale, or real scans that are not there.
        OutputError: a folder cannot be written.
    """
    if name not in _MODULES:
        raise ConfigError(f"Experiment {name!r} is unknown; choose from {', '.join(EXPERIMENTS)}.")
    if scale not in SCALES:
        raise ConfigError(f"Scale {scale!r} is unknown; choose from {', '.join(SCALES)}.")
    part, folder = _MODULES[name]
    module = importlib.import_module(f"{__name__}.{part}")
    size = module.SCALES[scale]
    room = (work / f"{folder}-{scale}-{digest(size)}").resolve()
    more = {"real_data": real_data} if name == "paper1-sunnybrook" else {}
    tables: list[Table] = module.run(size, room, workers=workers, report=report, **more)
    made = account(room, getattr(module, "NOT_ITS_OWN", ""))
    tables = [replace(table, notes=(*table.notes, made)) for table in tables]
    write_tables(tables, output / f"{name}-{scale}")
    return tables


__all__ = ["EXPERIMENTS", "SCALES", "run"]
