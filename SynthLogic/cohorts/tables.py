"""Tables about a whole cohort: written where they are missing, and never over somebody's work."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from SynthLogic.cohorts.files import publish, remove
from SynthLogic.errors import OutputError


def take_away(root: Path, tables: Mapping[str, bytes]) -> None:
    """Remove tables that will not be true for a while.

    Args:
        root: the cohort's folder.
        tables: relative path -> what this program would write about the subjects that are complete.

    Raises:
        OutputError: one was edited, or comes from another version of this program; all are left alone.
        OSError: one cannot be read or removed.
    """
    for path, content in tables.items():
        if _held(root / path) and (root / path).read_bytes() != content:
            raise OutputError(
                f"{path} was changed after it was exported, and with the subjects that are missing it would "
                "no longer be true; move it elsewhere to have it made again, or export to another folder."
            )
    remove(root, tables)


def write_missing(root: Path, tables: Mapping[str, bytes], staging: Path) -> None:
    """Write tables that are not there, each whole; what is there is true, or was edited since.

    Args:
        root: the cohort's folder.
        tables: relative path -> content.
        staging: a folder on the same disk, gone afterwards.

    Raises:
        OSError: one cannot be written.
    """
    staging.mkdir(exist_ok=True)
    try:
        for path, content in tables.items():
            if not _held(root / path):
                staged = staging / "table"
                staged.write_bytes(content)
                publish({path: staged}, root)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _held(path: Path) -> bool:
    # A crash of the whole computer can leave a file of no length.
    return path.is_file() and path.stat().st_size > 0


__all__ = ["take_away", "write_missing"]
