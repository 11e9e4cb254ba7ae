"""The CSV logs of a run, of all its starts together."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# Columns that are no losses.
FURTHER = (
    "step",
    "epoch",
    "learning_rate",
    "seconds_per_iteration",
    "seconds_per_epoch",
    "seconds_left",
    "waiting_for_data",
)
_VERSION = re.compile(r"version_(\d+)")


@dataclass(frozen=True)
class LogTable:
    """Log lines in the order of iterations.

    Attributes:
        iterations: (N,) int64, ascending.
        columns: by name (N,) float64, not a number where a line says nothing; losses first, by name.
    """

    iterations: NDArray[np.int64]
    columns: dict[str, NDArray[np.float64]]

    @property
    def losses(self) -> dict[str, NDArray[np.float64]]:
        """The columns that are losses."""
        return {name: values for name, values in self.columns.items() if name not in FURTHER}


def read_log(logs: Path) -> LogTable:
    """Read ``losses/version_N/metrics.csv`` of all starts below a run's folder of logs.

    Where a start went on from a checkpoint before the last line of the one before, its lines count. A line
    that was cut off, by a kill or a full disk, is left out.
    """
    lines: list[dict[str, float]] = []
    found = ((_VERSION.fullmatch(path.parent.name), path) for path in logs.glob("losses/*/metrics.csv"))
    for _, path in sorted((int(match[1]), path) for match, path in found if match):
        new = _lines(path)
        if new:
            first = new[0]["step"]
            lines = [line for line in lines if line["step"] < first] + new
    names = {name for line in lines for name in line} - {"step"}
    ordered = sorted(names, key=lambda name: (name in FURTHER, name))
    columns = {name: np.array([line.get(name, math.nan) for line in lines]) for name in ordered}
    return LogTable(np.array([line["step"] for line in lines], dtype=np.int64), columns)


def _lines(path: Path) -> list[dict[str, float]]:
    # A line is whole when its end is there; a kill may also leave zeros where a disk never got to.
    text = path.read_text(encoding="utf-8", errors="replace")
    whole = text[: text.rfind("\n") + 1].replace("\0", "")
    found: list[dict[str, float]] = []
    for row in csv.DictReader(whole.splitlines()):
        if None in row or None in row.values():
            continue
        try:
            line = {name: float(value) for name, value in row.items() if value != ""}
        except ValueError:
            continue
        if line.get("step", math.nan) >= 0 and (not found or line["step"] > found[-1]["step"]):
            found.append(line)
    return found
