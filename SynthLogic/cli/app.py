"""The command line: every command by name."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Annotated

import typer

from SynthLogic.cli import (
    align,
    benchmark,
    check,
    evaluate,
    experiment,
    export,
    interpolate,
    models,
    paint,
    phantom,
    segment,
    train,
    translate,
)
from SynthLogic.cli.group import EXIT_CANCELLED, Group
from SynthLogic.cli.options import example
from SynthLogic.threads import sleep_while_waiting

app = typer.Typer(
    cls=Group,
    name="crossmodalsynth",
    help="Synthetic MR from CT and synthetic CT from MR, on the grid of the scan. Research use only.",
    epilog=example("crossmodalsynth translate ct.nii.gz mr.nii.gz --to MR"),
    add_completion=False,
    pretty_exceptions_enable=False,
    invoke_without_command=True,
)


@app.callback()
def start(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    """Show the help where no command is named."""
    if version:
        from SynthLogic import __version__

        typer.echo(f"crossmodalsynth {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit


app.command(epilog=translate.TRANSLATE_EPILOG)(translate.translate)
app.command(epilog=translate.RERUN_EPILOG)(translate.rerun)
app.command(epilog=check.EPILOG)(check.check)
app.command(epilog=align.EPILOG)(align.align)
app.command(epilog=evaluate.EPILOG)(evaluate.evaluate)
app.command(epilog=paint.EPILOG)(paint.paint)
app.command(epilog=interpolate.EPILOG)(interpolate.interpolate)
app.command(epilog=export.EPILOG)(export.export)
app.add_typer(models.app)
app.command(epilog=phantom.EPILOG)(phantom.phantom)
app.command(epilog=train.EPILOG)(train.train)
app.command(epilog=segment.EPILOG)(segment.segment)
app.command(epilog=benchmark.BENCHMARK_EPILOG)(benchmark.benchmark)
app.command(epilog=experiment.EPILOG)(experiment.experiment)
app.command(epilog=benchmark.DEMO_EPILOG)(benchmark.demo)


def main() -> None:
    """Entry point of ``crossmodalsynth``."""
    sleep_while_waiting()
    for stream in (sys.stdout, sys.stderr):
        # A console that cannot show a character shows a question mark rather than fail.
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    code = app(prog_name="crossmodalsynth", standalone_mode=False)
    if code == EXIT_CANCELLED:
        # All is cleaned up; left are threads that cannot be stopped, and torch, which is slow to unload.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
