"""The tables of ``crossmodalsynth benchmark``: geometry, quality, speed, hearts, real scans."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from SynthLogic.benchmarks.cases import Report
from SynthLogic.errors import ConfigError
from SynthLogic.review.tables import Table, write_tables

NAMES = ("geometry", "quality", "speed", "training", "heart-shapes", "heart-images", "heart-use", "real")


def _quiet(done: int, total: int, unit: str) -> None:
    """Tell nobody."""


def run(
    names: Sequence[str], output: Path, *, real_data: Path | None = None, progress: Report = _quiet
) -> list[Table]:
    """Measure, write each benchmark's tables as ``output/NAME.md``, ``.csv`` and ``.json``, and return them.

    Args:
        names: of ``NAMES``, in the order wanted.
        output: folder, made if it does not exist.
        real_data: folder with the real scans that "real" needs and two of the hearts' can use; see
            ``docs/real-scans.md``.
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
        made = _measure(name, output, real_data, progress)
        write_tables(made, Path(output) / name)
        tables += made
    return tables


def _measure(name: str, output: Path, real_data: Path | None, progress: Report) -> list[Table]:
    """The tables of one benchmark. Each is imported when asked for: they need much."""
    if name == "geometry":
        from SynthLogic.benchmarks.geometry import geometry_tables

        return geometry_tables(progress)
    if name == "quality":
        from SynthLogic.benchmarks.quality import quality_tables

        return quality_tables(progress)
    if name == "speed":
        from SynthLogic.benchmarks.speed import speed_tables

        return speed_tables(progress)
    if name == "training":
        from SynthLogic.benchmarks.training_speed import training_tables

        return training_tables(progress)
    if name == "heart-shapes":
        from SynthLogic.benchmarks.heart_shapes import shape_tables

        return shape_tables(progress, real_data=real_data)
    if name == "heart-images":
        from SynthLogic.benchmarks.heart_images import image_tables

        return image_tables(progress)
    if name == "heart-use":
        from SynthLogic.benchmarks.heart_images import use_tables

        return use_tables(progress, real_data=real_data)
    from SynthLogic.benchmarks.real import real_tables

    return real_tables(real_data, output, progress)


__all__ = ["NAMES", "run"]
