"""Voxels between two processes: arrays in mapped files, in a private folder that ends with its window."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from SynthLogic.errors import OutputError

PREFIX = "crossmodalsynth-"
STEP_BYTES = 8 * 2**20
_LOCK = "lock"
_SLACK = 32 * 2**20
_SETTLED_S = 10.0


def create_mapped(path: Path, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """A new .npy file, mapped for writing; its room is taken at once, so that writing cannot fail later.

    Raises:
        OutputError: too little room.
    """
    try:
        array: NDArray[Any] = np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)
        if hasattr(os, "posix_fallocate"):
            # A mapped page that finds no room ends the whole process (SIGBUS).
            with path.open("r+b") as stream:
                os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink()
        raise _no_room(math.prod(shape) * np.dtype(dtype).itemsize, error.strerror) from None
    return array


def open_mapped(path: Path) -> NDArray[Any]:
    """The array in a .npy file, mapped read-only; nothing in it is ever unpickled.

    Raises:
        ValueError, OSError: no such file, not an array, cut off, or an array of objects.
    """
    array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    return array.view(np.ndarray)


def copy_in_steps(
    source: NDArray[Any], target: NDArray[Any], step_bytes: int = STEP_BYTES
) -> Iterator[float]:
    """Copy ``source`` into ``target``, giving the done fraction after about every ``step_bytes`` bytes.

    An event loop takes one step a turn. Both are of the same shape (at least one axis); any strides.
    """
    if source.shape != target.shape:
        raise ValueError(f"shapes differ: {source.shape} and {target.shape}")
    rows = math.prod(source.shape[:2]) if source.ndim > 2 else len(source)
    step = max(1, step_bytes * rows // max(1, target.nbytes))
    done = 0
    for block_source, block_target in _blocks(source, target, step):
        block_target[...] = block_source
        done += block_target.size
        yield done / target.size


def _blocks(
    source: NDArray[Any], target: NDArray[Any], rows: int
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Pairs of parts of at most ``rows`` rows; with three axes or more a row is [k, j]."""
    inner = source.shape[1] if source.ndim > 2 else 1
    if source.ndim < 3 or rows >= inner:
        planes = max(1, rows // inner)
        for k in range(0, len(source), planes):
            yield source[k : k + planes], target[k : k + planes]
        return
    for k in range(len(source)):
        for j in range(0, inner, rows):
            yield source[k, j : j + rows], target[k, j : j + rows]


class VoxelFolder:
    """A private folder (0700) for mapped files: in /dev/shm if there is room, else in the temporary folder.

    A lock, which ends with this process however it ends, says that the folder is in use.

    Args:
        bases: folders to make it in, best first.
    """

    def __init__(self, bases: Sequence[Path] | None = None) -> None:
        self._bases = tuple(bases or default_bases())
        self._made: dict[Path, tuple[Path, IO[bytes]]] = {}
        self._count = 0
        sweep(self._bases)

    @property
    def folders(self) -> tuple[Path, ...]:
        """Those made so far; none before the first file."""
        return tuple(folder for folder, _ in self._made.values())

    def new_path(self, voxel_bytes: int) -> Path:
        """A path for a new file where ``voxel_bytes`` bytes have room.

        Raises:
            OutputError: nowhere is that much room.
        """
        self._count += 1
        for base in self._bases:
            with contextlib.suppress(OSError):
                if shutil.disk_usage(base).free >= voxel_bytes + _SLACK:
                    return self._folder(base) / f"{self._count}.npy"
        raise _no_room(voxel_bytes, "the temporary folder is full")

    def _folder(self, base: Path) -> Path:
        if base not in self._made or not self._made[base][0].is_dir():
            folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=base))
            lock = (folder / _LOCK).open("wb")
            _try_lock(lock)
            self._made[base] = folder, lock
        return self._made[base][0]

    def close(self) -> None:
        """Remove the folder and all that is in it."""
        for folder, lock in self._made.values():
            lock.close()
            shutil.rmtree(folder, ignore_errors=True)
        self._made.clear()


@dataclass(eq=False)
class Upload:
    """A scan or region on its way to the worker; ``finished`` once ``steps`` has ended.

    Holds its file as long as its owner, or a job that was submitted, needs it.

    Attributes:
        path: of the mapped file.
        ijk_to_ras: 4x4 of the grid.
        modality: "CT", "MR" or another of DICOM's names, if it is known, else None.
    """

    path: Path
    ijk_to_ras: NDArray[np.float64]
    modality: str | None
    finished: bool = False
    _users: int = 1
    _source: NDArray[Any] | None = field(default=None, repr=False)

    @classmethod
    def begin(
        cls, folder: VoxelFolder, array: NDArray[Any], ijk_to_ras: ArrayLike, modality: str | None = None
    ) -> Upload:
        """Take the room for ``array`` (K, J, I); nothing is copied yet.

        Raises:
            OutputError: too little room for it and a result of its size.
        """
        matrix = np.array(ijk_to_ras, dtype=np.float64)
        if array.ndim != 3 or matrix.shape != (4, 4):
            raise ValueError(f"array has {array.ndim} axes, the matrix is {matrix.shape}; not 3 and 4x4")
        # A result and the disagreement of its planes, 4 bytes each, will lie beside it.
        path = folder.new_path(array.nbytes + 8 * array.size)
        return cls(path, matrix, modality, _source=array)

    def steps(self, step_bytes: int = STEP_BYTES) -> Iterator[float]:
        """Copy a few MB a step, giving the done fraction; forget it to give up.

        Raises:
            OutputError: too little room.
        """
        source = self._source
        if source is None:
            return
        target = create_mapped(self.path, source.shape, source.dtype)
        for done in copy_in_steps(source, target, step_bytes):
            if self._source is None:
                return  # released half-way
            yield done
        self._source = None
        self.finished = True

    def complete(self) -> Upload:
        """Copy all at once, for those that may wait; returns itself."""
        for _ in self.steps():
            pass
        return self

    def reference(self) -> dict[str, Any]:
        """What a job says about it."""
        if not self.finished:
            raise ValueError("the upload is not finished")
        return {
            "path": str(self.path),
            "ijk_to_ras": self.ijk_to_ras.tolist(),
            "modality": self.modality,
        }

    def hold(self) -> None:
        """One more needs the file."""
        self._users += 1

    def release(self) -> None:
        """One less needs the file; the last one removes it."""
        self._users -= 1
        if self._users <= 0:
            self._source = None
            remove(self.path)


def remove(path: Path) -> None:
    """Remove a file, if it is there and nobody holds it (Windows)."""
    with contextlib.suppress(OSError):
        path.unlink()


def default_bases() -> tuple[Path, ...]:
    """Memory first, then the disk."""
    shared, disk = Path("/dev/shm"), Path(tempfile.gettempdir())
    return (shared, disk) if os.access(shared, os.W_OK | os.X_OK) else (disk,)


def sweep(bases: Sequence[Path]) -> None:
    """Remove the folders of processes that have died."""
    for base in bases:
        with contextlib.suppress(OSError):
            for folder in base.glob(f"{PREFIX}*"):
                remove_if_stale(folder)


def remove_if_stale(folder: Path, settled_s: float = _SETTLED_S) -> bool:
    """Remove a folder of voxels whose process is gone; return whether it was.

    Args:
        folder: made by ``VoxelFolder``.
        settled_s: leave alone what is younger: its process may be about to lock it.
    """
    try:
        if folder.is_symlink() or (hasattr(os, "getuid") and folder.stat().st_uid != os.getuid()):
            return False
        lock = folder / _LOCK
        if time.time() - (lock if lock.exists() else folder).stat().st_mtime < settled_s:
            return False
        if lock.exists():
            with lock.open("r+b") as stream:
                if not _try_lock(stream):
                    return False
    except OSError:
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return True


def _try_lock(stream: IO[bytes]) -> bool:
    """Lock an open file, unless another process has; the lock ends with the file or the process."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _no_room(voxel_bytes: int, reason: str | None) -> OutputError:
    return OutputError(
        f"There is no room for {voxel_bytes / 2**20:.0f} MB of voxels ({reason or 'unknown reason'}); "
        "free some space on the disk and run again."
    )


__all__ = [
    "PREFIX",
    "STEP_BYTES",
    "Upload",
    "VoxelFolder",
    "copy_in_steps",
    "create_mapped",
    "open_mapped",
    "remove",
    "remove_if_stale",
    "sweep",
]
