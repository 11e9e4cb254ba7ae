"""The tables of ``crossmodalsynth benchmark``: geometry, quality, speed, real scans."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from SynthLogic.benchmarks.cases import Report
from SynthLogic.errors import ConfigError
from SynthLogic.review.tables import Table, write_tables

NAMES = ("geometry", "quality", "speed", "real")


def _quiet(done: int, total: int, unit: str) -> None:
    """Tell nobody."""


def run(
    names: Sequence[str], output: Path, *, real_data: Path | None = None, progress: Report = _quiet
) -> list[Table]:
    """Measure, write each benchmark's tables as ``output/NAME.md``, ``.csv`` and ``.json``, and return them.

    Args:
        names: of ``NAMES``, in the order wanted.
        output: folder, made if it does not exist.
        real_data: folder with the real scans that "real" needs; see ``docs/real-scans.md``.
        progress: told (done, total, unit).

    Raises:
        ConfigError: an unknown name, or "real" without its scans.
        OutputError: the folder cannot be written.
    """
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise ConfigError(f"Benchmark {unknown[0]!r} is unknown: choose from {', '.join(NAMES)}.")
    if "real" in names:
        from SynthLogic.benchmarks.real import find_scans

        find_scans(real_data)
    tables: list[Table] = []
    for name in names:
        if name == "geometry":
            from SynthLogic.benchmarks.geometry import geometry_tables

            made = geometry_tables(progress)
        elif name == "quality":
            from SynthLogic.benchmarks.quality import quality_tables

            made = quality_tables(progress)
        elif name == "speed":
            from SynthLogic.benchmarks.speed import speed_tables

            made = speed_tables(progress)
        elif name == "real":
            from SynthLogic.benchmarks.real import real_tables

            made = real_tables(real_data, output, progress)
        write_tables(made, Path(output) / name)
        tables += made
    return tables


__all__ = ["NAMES", "run"]
