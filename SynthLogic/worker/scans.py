"""Arrays in mapped files: scans that a window has put there, and what a job made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from SynthLogic.errors import InputError, OutputError
from SynthLogic.volume import Scan, ScanMeta, Volume, content_hash
from SynthLogic.worker.voxels import open_mapped

_KNOWN = 64


class Scans:
    """Opens mapped scans; of the last few it remembers that they were looked at, and their hash."""

    def __init__(self) -> None:
        self._hashes: dict[tuple[object, ...], str] = {}

    def open(self, reference: dict[str, Any]) -> Scan:
        """The scan of an upload's ``reference``: mapped, finite, integers as they are, float64 as float32.

        Raises:
            InputError: NaN or infinite voxels, no image, or a matrix that cannot be a geometry.
        """
        path = Path(reference["path"])
        array, identity = _mapped(path)
        dtype = array.dtype
        if dtype == np.float64 or dtype == np.float16:
            array = array.astype(np.float32)
        volume = Volume(array, np.asarray(reference["ijk_to_ras"], np.float64))
        meta = ScanMeta("memory", "memory", reference.get("modality"), array.dtype.name)
        key = (identity, volume.ijk_to_ras.tobytes(), meta)
        if key not in self._hashes:
            if array.dtype.kind == "f" and not all(np.isfinite(plane).all() for plane in array):
                raise InputError(
                    "The scan holds NaN or infinite voxels; replace them (for CT by -1024) and run again."
                )
            self._hashes[key] = content_hash(volume)
            while len(self._hashes) > _KNOWN:
                del self._hashes[next(iter(self._hashes))]
        return Scan(volume, meta, self._hashes[key])


def open_region(path: str) -> NDArray[Any]:
    """The mapped region (K, J, I), not 0 inside."""
    return _mapped(Path(path))[0]


def save_results(arguments: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> list[str]:
    """Write arrays to the paths that a job's argument "results" has for them; return the names of those.

    Raises:
        OutputError: too little room.
    """
    wanted = arguments["results"]
    names = [name for name in arrays if name in wanted]
    for name in names:
        path = Path(wanted[name])
        try:
            with path.open("xb") as stream:
                np.save(stream, arrays[name], allow_pickle=False)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise OutputError(
                f"There is no room for the result ({error.strerror}); free some space and run again."
            ) from error
    return names


def under(scan: Scan, parent_transform: Any) -> Scan:
    """The scan as it lies below a parent transform (4x4 in RAS, or None)."""
    if parent_transform is None:
        return scan
    return replace(scan, volume=scan.volume.under(np.asarray(parent_transform, np.float64)))


def _mapped(path: Path) -> tuple[NDArray[Any], tuple[object, ...]]:
    try:
        found = path.stat()
        array = open_mapped(path)
    except (OSError, ValueError) as error:
        raise InputError("The voxels of the scan are gone or damaged; choose the scan again.") from error
    return array, (path, found.st_ino, found.st_mtime_ns, found.st_size)


__all__ = ["Scans", "open_region", "save_results", "under"]
