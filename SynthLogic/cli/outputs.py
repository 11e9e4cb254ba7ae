"""What commands that write an image share: asking before a file is replaced, and the bar."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from SynthLogic.errors import OutputError

if TYPE_CHECKING:
    from SynthLogic.inference import Progress


def may_replace(files: Iterable[Path], yes: bool, ask: bool) -> None:
    """Ask before any of ``files`` is replaced.

    Raises:
        OutputError: one is there, and nobody agreed.
    """
    there = None if yes else next((path for path in files if path.is_file()), None)
    if there is None:
        return
    terminal = sys.stdin.isatty() and sys.stderr.isatty()
    if not (ask and terminal and typer.confirm(f"{there} exists. Replace it?", err=True)):
        raise OutputError(f"{there.name} exists already; add --yes to replace it, or choose another name.")


def to_bar(bar: Callable[[int, int, str], None]) -> Callable[[Progress], None]:
    """A progress callback that moves ``bar``."""

    def report(progress: Progress) -> None:
        bar(progress.done, progress.total, progress.unit)

    return report
