"""Put a job's files in place: all of them or none, and only checked space and places."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from io import FileIO
from pathlib import Path

from SynthLogic.cohorts.files import locked
from SynthLogic.errors import OutputError
from SynthLogic.volume import check_writable

_REMOVE_FOR_S = 5.0
_LOCK = ".lock"


def check_output(source: Path, output: Path, others: Sequence[Path] = ()) -> None:
    """Refuse, before anything is computed, an output that must not or cannot be written.

    Args:
        source: the input file or DICOM folder.
        output: the image to write.
        others: further files that will lie beside it.

    Raises:
        OutputError: unknown extension, folder missing or not writable, or the output is or lies in the input.
    """
    check_writable(output)
    place = output.resolve()
    if place == source.resolve() or (
        output.exists() and source.exists() and os.path.samefile(source, output)
    ):
        raise OutputError(f"{output.name} is the input itself; choose another name for the output.")
    if source.is_dir() and source.resolve() in place.parents:
        raise OutputError(f"{output.name} would lie among the input's DICOM files; choose another folder.")
    for path in others:
        if path.is_dir() or path.resolve() == source.resolve():
            raise OutputError(
                f"{path.name} is needed for the output but is taken; choose another name for the output."
            )


def check_space(output: Path, voxel_bytes: int) -> None:
    """Refuse if the disk of ``output`` cannot hold ``voxel_bytes`` bytes of voxels while they are written.

    Raises:
        OutputError: too little space.
    """
    # A compressed NIfTI is made from an uncompressed one that lies beside it for a moment.
    needed = voxel_bytes * (2 if output.name.lower().endswith(".gz") else 1) + 2**20
    with contextlib.suppress(OSError):
        free = shutil.disk_usage(output.parent).free
        if free < needed:
            raise OutputError(
                f"The disk has {free / 2**20:.0f} MB free, but {output.name} needs {needed / 2**20:.0f} MB; "
                "free some space or choose another folder."
            )


@contextlib.contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Keep a folder to this run; made if it is not there, and gone again afterwards if nothing is in it.

    Raises:
        OutputError: another run is writing to it, or it cannot be made.
    """
    made = not folder.exists()
    try:
        with _locked(folder, folder.name) as alone:
            if not alone:
                raise OutputError(
                    f"Another run is writing to the folder {folder.name}; wait for it, or choose another one."
                )
            yield
    finally:
        if made:
            _remove_if_empty(folder)


@contextlib.contextmanager
def staging(output: Path) -> Iterator[Path]:
    """A folder beside ``output`` to prepare files in; afterwards it is gone, whatever happened.

    What a run to the same output left that was killed goes as well.

    Raises:
        OutputError: it cannot be made.
    """
    digest = hashlib.sha256(os.fsencode(output.name)).hexdigest()[:8]
    room = output.parent / f".{output.name[:40]}.{digest}"
    try:
        with _locked(room, output.name) as alone:
            for left in room.iterdir() if alone else ():
                if left.name != _LOCK:
                    shutil.rmtree(left, ignore_errors=True)
            with failing_as_output(output.name):
                folder = Path(tempfile.mkdtemp(dir=room))
            try:
                yield folder
            finally:
                # A writer that was cancelled in its thread may still hold or make a file for a moment.
                end = time.monotonic() + _REMOVE_FOR_S
                while folder.exists():
                    shutil.rmtree(folder, ignore_errors=True)
                    if not folder.exists() or time.monotonic() > end:
                        break
                    time.sleep(0.05)
    finally:
        _remove_if_empty(room)


@contextlib.contextmanager
def _locked(folder: Path, name: str) -> Iterator[bool]:
    """Whether this run alone has ``folder``, which is made if it is not there."""
    path = folder / _LOCK
    with contextlib.ExitStack() as end:
        with failing_as_output(name):
            folder.mkdir(exist_ok=True)
            stream = FileIO(path, "a")
        if sys.platform == "win32":
            end.callback(_remove, path)  # after it is closed: nothing open can be removed there
        end.enter_context(stream)
        # Whoever held it before may have taken the file away after it was opened here.
        alone = locked(stream) and _is(stream, path)
        if alone and sys.platform != "win32":
            end.callback(_remove, path)
        yield alone


def _is(stream: FileIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except OSError:
        return False


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def publish(prepared: Sequence[tuple[Path, Path]], folder: Path) -> None:
    """Move each prepared file to its final place; if one cannot be moved, all is as it was before.

    What was there goes before anything new comes, so that a kill never leaves a new file beside an old one.

    Args:
        prepared: (file in ``folder``, final path) in order.
        folder: the staging folder, on the disk of the final paths.

    Raises:
        OutputError: a file cannot be moved.
    """
    kept: list[tuple[Path, Path]] = []
    placed: list[Path] = []
    at = prepared[0][1]
    try:
        for number, (_, at) in enumerate(prepared):
            if at.exists():
                backup = folder / f"before-{number}"
                os.replace(at, backup)
                kept.append((backup, at))
        for source, at in prepared:
            os.replace(source, at)
            placed.append(at)
    except BaseException as error:
        for target in placed:
            target.unlink(missing_ok=True)
        for backup, target in kept:
            os.replace(backup, target)
        if isinstance(error, OSError):
            raise _as_output(error, at.name) from None
        raise


@contextlib.contextmanager
def failing_as_output(name: str) -> Iterator[None]:
    """Turn any OSError into an OutputError about the file ``name``."""
    try:
        yield
    except OSError as error:
        raise _as_output(error, name) from None


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def _as_output(error: OSError, name: str) -> OutputError:
    reason = error.strerror or type(error).__name__
    return OutputError(f"{name} cannot be written ({reason}); free some space or choose another folder.")


__all__ = [
    "check_output",
    "check_space",
    "failing_as_output",
    "file_sha256",
    "only_writer",
    "publish",
    "staging",
]
