"""The list of complete subjects: one line each, appended when all its files lie where they belong."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from io import FileIO
from pathlib import Path
from typing import Any

from SynthLogic.cohorts.files import failing_as_output, locked, removed_if_empty, sha256
from SynthLogic.cohorts.layout import MANIFEST
from SynthLogic.cohorts.subject import Row
from SynthLogic.errors import OutputError
from SynthLogic.volume.names import check_name

STAGING = ".cohort-staging"
_DROPPED = "dropped"
_LITTER = {".DS_Store", "Thumbs.db", "desktop.ini"}


class Manifest:
    """Complete subjects of one cohort; held by one process at a time."""

    def __init__(self, root: Path, stream: FileIO, rows: dict[str, Row]) -> None:
        self.root = root
        self.rows = rows
        self._stream = stream

    def append(self, row: Row) -> None:
        """Note a subject as complete.

        Raises:
            OSError: it cannot be written; the manifest is as before.
        """
        self._note(asdict(row))
        self.rows[row.name] = row

    def drop(self, names: Iterable[str]) -> None:
        """Note that subjects are no longer complete; a line of its own, as nothing that stands is changed.

        Raises:
            OSError: it cannot be written; the manifest is as before.
        """
        if dropped := sorted(names):
            self._note({_DROPPED: dropped})
        for name in dropped:
            del self.rows[name]

    def _note(self, content: Mapping[str, Any]) -> None:
        end = self._stream.seek(0, os.SEEK_END)
        try:
            _write(self._stream, content)
            os.fsync(self._stream.fileno())
        except BaseException:
            with contextlib.suppress(OSError):
                self._stream.truncate(end)
            raise

    def missing(self) -> set[str]:
        """Subjects of which a file is missing or empty, to be made again.

        Raises:
            OutputError: a file was changed; it may be someone's work and is not written over.
        """
        missing = set()
        for name, row in self.rows.items():
            for relative, hashed in row.files.items():
                path = self.root / relative
                if not path.is_file() or not path.stat().st_size:
                    missing.add(name)
                elif sha256(path) != hashed:
                    raise OutputError(
                        f"{relative} was changed after it was exported; move it elsewhere to have it made "
                        "again, or export to another folder."
                    )
        return missing


@contextlib.contextmanager
def opened(root: Path, header: Mapping[str, Any]) -> Iterator[Manifest]:
    """Open the manifest of the cohort in ``root``, or begin one.

    When the block is left without any complete subject, a folder that was made for it is gone again.

    Args:
        root: an empty or new folder, or one with a cohort of the same ``header["digest"]``.
        header: the first line.

    Raises:
        OutputError: something else lies there, another request's cohort does, another process writes to it,
            or it cannot be written.
    """
    check_name(root.absolute(), OutputError, folder=True)
    _refuse_strangers(root)
    made = [p for p in (root, *root.parents) if not p.exists()]
    with failing_as_output(root.name):
        root.mkdir(parents=True, exist_ok=True)
    path = root / MANIFEST
    with failing_as_output(MANIFEST), contextlib.ExitStack() as stack:
        # Not "a": what is appended must be removable when the disk fills up half way.
        path.touch()
        stream = stack.enter_context(FileIO(path, "r+"))
        if not locked(stream):
            raise OutputError("Another export is writing to this folder; wait for it or choose another one.")
        rows = _read(stream, root, header)
        manifest = Manifest(root, stream, rows)
        stack.pop_all()
    try:
        yield manifest
    finally:
        nothing = not manifest.rows and not _others(root)
        stream.close()
        if nothing:
            with contextlib.suppress(OSError):
                path.unlink()
            removed_if_empty(made)


def _refuse_strangers(root: Path) -> None:
    with failing_as_output(root.name):
        if root.exists() and not root.is_dir():
            raise OutputError(f"{root.name} is a file; choose a folder.")
        if not root.is_dir() or (root / MANIFEST).is_file():
            return
        if others := _others(root):
            raise OutputError(
                f"The folder {root.name} holds something else ({others[0]}); choose an empty or new one."
            )


def _others(root: Path) -> list[str]:
    return sorted({p.name for p in root.iterdir()} - _LITTER - {MANIFEST, STAGING})


def _read(stream: FileIO, root: Path, header: Mapping[str, Any]) -> dict[str, Row]:
    stream.seek(0)
    content = stream.read()
    # A line that a kill cut off does not count; its subject is made again.
    whole = content.rfind(b"\n") + 1
    stream.truncate(whole)
    lines = content[:whole].splitlines()
    if not lines:
        if _others(root):
            raise OutputError(f"{MANIFEST} is empty but the folder is not; choose an empty or new one.")
        _write(stream, header)
        return {}
    try:
        found, *entries = [json.loads(line) for line in lines]
        digest = found["digest"]
        rows = _rows(entries)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise OutputError(f"{MANIFEST} is damaged; choose an empty or new folder.") from None
    if digest != header["digest"]:
        raise OutputError(
            f"The folder {root.name} holds a cohort of another request or of other hearts; ask for that one "
            "again to go on with it, or choose an empty or new folder."
        )
    return rows


def _write(stream: FileIO, content: Mapping[str, Any]) -> None:
    line = (json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n").encode()
    if stream.write(line) != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _rows(entries: Iterable[dict[str, Any]]) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for entry in entries:
        if _DROPPED in entry:
            for name in entry[_DROPPED]:
                rows.pop(name, None)
        else:
            row = _row(entry)
            rows[row.name] = row
    return rows


def _row(entry: dict[str, Any]) -> Row:
    step = entry.pop("step")
    return Row(**(entry | {"parents": tuple(entry["parents"]), "step": tuple(step) if step else None}))
