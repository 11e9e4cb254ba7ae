"""Files that are there whole or not at all, and a lock that ends with the process."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from io import FileIO
from pathlib import Path

from SynthLogic.errors import OutputError


@contextlib.contextmanager
def failing_as_output(name: str) -> Iterator[None]:
    """Turn any OSError into an OutputError about ``name``."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise OutputError(
            f"{name} cannot be written ({reason}); free some space or choose another folder, "
            "and export again: complete subjects are kept."
        ) from None


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def publish(staged: Mapping[str, Path], root: Path) -> None:
    """Move files to ``root`` / their relative path; if one cannot be moved, none is there.

    Raises:
        OSError: a file cannot be moved.
    """
    placed: list[str] = []
    try:
        for relative, source in staged.items():
            (root / relative).parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, root / relative)
            placed.append(relative)
    except BaseException:
        remove(root, placed)
        raise


def remove(root: Path, relative: Iterable[str]) -> None:
    """Remove files below ``root`` where they exist, and folders that are empty afterwards."""
    for path in (root / r for r in relative):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        for folder in path.parents:
            if folder == root or not _removed(folder):
                break


def removed_if_empty(folders: Iterable[Path]) -> None:
    """Remove each folder, innermost first, until one is not empty."""
    for folder in folders:
        if not _removed(folder):
            return


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def locked(stream: FileIO) -> bool:
    """Lock an open file for this process; False where another one holds it. The lock ends with the file."""
    try:
        if sys.platform == "win32":
            import msvcrt

            # A byte far behind the end: Windows forbids others to read what is locked.
            stream.seek(2**30)
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
