"""What a command says: an answer on standard output; errors, warnings and progress on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from SynthLogic.review.tables import Table

PIPE_WIDTH = 160


@dataclass(frozen=True)
class Answer:
    """What a command found or did: ``document`` for machines, ``show`` for people, and the exit code."""

    document: dict[str, Any]
    show: Callable[[Console], None]
    code: int = 0


def make_console(file: TextIO) -> Console:
    """A rich console on ``file`` that adds no colour to numbers and does not squeeze tables into a pipe."""
    from rich.console import Console

    terminal = file.isatty()
    return Console(file=file, highlight=False, width=None if terminal else PIPE_WIDTH)


def write_answer(answer: Answer, as_json: bool, file: TextIO) -> None:
    """Write ``answer`` to ``file``: exactly one JSON document, or text."""
    if as_json:
        write_json(answer.document, file)
    else:
        answer.show(make_console(file))


def write_json(document: dict[str, Any], file: TextIO) -> None:
    """Write one JSON document, ASCII only so that any pipe can carry it."""
    file.write(json.dumps(document, indent=2, allow_nan=False) + "\n")
    file.flush()


def tables_answer(tables: Sequence[Table], output: Path) -> Answer:
    """Tables that have been written to a folder, as an answer."""

    def show(console: Console) -> None:
        for table in tables:
            console.print(table.to_rich())
            console.print()
        console.print(f"Tables are in {output}", markup=False, soft_wrap=True)

    return Answer({"output": str(output), "tables": [table.to_json() for table in tables]}, show)


def warn(message: str) -> None:
    """One line on standard error."""
    sys.stderr.write(f"Warning: {one_line(message)}\n")


def one_line(text: str) -> str:
    """``text`` without line breaks."""
    return " ".join(text.split())


@contextmanager
def progress_bar(label: str, quiet: bool) -> Iterator[Callable[[int, int, str], None]]:
    """Show a bar on standard error while the block runs; silent when ``quiet`` or not on a terminal.

    Yields a function of (done, total, unit), such as (12, 96, "slices").
    """
    if quiet or not sys.stderr.isatty():
        yield lambda done, total, unit: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[unit]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
    )
    with Progress(*columns, console=make_console(sys.stderr), transient=True) as bar:
        task = bar.add_task(label, total=None, visible=False, unit="")

        def show(done: int, total: int, unit: str) -> None:
            bar.update(task, completed=done, total=total, unit=unit, visible=True)

        yield show
