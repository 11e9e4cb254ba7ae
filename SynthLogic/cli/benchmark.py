"""``crossmodalsynth benchmark`` and ``demo``: the tables anyone can print again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from SynthLogic.cli.console import Answer, progress_bar, tables_answer, warn
from SynthLogic.cli.group import needs_extra
from SynthLogic.cli.options import DebugFlag, JsonFlag, OutputFolder, example
from SynthLogic.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

BENCHMARKS = ("geometry", "quality", "speed", "training", "heart-shapes", "heart-images", "heart-use", "real")
BENCHMARK_EPILOG = example("crossmodalsynth benchmark geometry quality --output benchmark")
DEMO_EPILOG = example("crossmodalsynth demo --output demo")


def benchmark(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[geometry|quality|speed|training|heart-shapes|heart-images|heart-use|real|all]...",
            help="What to measure; all if nothing is named.",
        ),
    ] = None,
    output: OutputFolder = Path("benchmark"),
    real_data: Annotated[
        Path | None, typer.Option("--real-data", metavar="DIR", help="Folder with the scans that real needs.")
    ] = None,
    json_: JsonFlag = False,
    debug: DebugFlag = False,
) -> Answer:
    """Measure geometry, quality, speed, hearts and behaviour on real scans, and print the tables."""
    wanted = list(dict.fromkeys(names or ["all"]))
    unknown = [name for name in wanted if name not in (*BENCHMARKS, "all")]
    if unknown:
        raise ConfigError(f"Benchmark {unknown[0]!r} is unknown; choose from {', '.join(BENCHMARKS)} or all.")
    if "all" in wanted:
        wanted = list(BENCHMARKS)
        if real_data is None:
            wanted.remove("real")
            warn("The benchmark on real scans is left out; name their folder with --real-data DIR.")
    with needs_extra("train", "The benchmark"):
        from SynthLogic import benchmarks
    with progress_bar("Measuring", quiet=json_) as report:
        tables = benchmarks.run(wanted, output, real_data=real_data, progress=report)
    return tables_answer(tables, output)


def demo(output: OutputFolder = Path("demo"), json_: JsonFlag = False, debug: DebugFlag = False) -> Answer:
    """Simulate a subject, make MR from CT and CT from MR, and write volumes, pictures and a table."""
    with needs_extra("app", "The demo"):
        from SynthLogic.benchmarks.demo import run_demo
    with progress_bar("Demo", quiet=json_) as report:
        summary = run_demo(output, progress=report)

    def show(console: Console) -> None:
        for table in summary.tables:
            console.print(table.to_rich())
            console.print()
        console.print("Open these:")
        for path in summary.files:
            console.print(f"  {path}", markup=False, soft_wrap=True)

    document = {
        "output": str(output),
        "tables": [table.to_json() for table in summary.tables],
        "files": [str(path) for path in summary.files],
    }
    return Answer(document, show)
