"""The volumes in a folder: files, and folders that each hold a DICOM series."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydicom.misc import is_dicom

from SynthLogic.volume.read import extension


def volumes_below(folder: Path) -> Iterator[Path]:
    """Every volume below a folder, those of each folder before those of the folders in it, sorted.

    Hidden files and folders are passed over; files of other kinds are no volumes. A folder without volumes of
    its own that holds DICOM files is one volume.
    """
    inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    volumes = [path for path in inside if path.is_file() and extension(path)]
    if not volumes and any(holds_dicom(path) for path in inside):
        volumes = [folder]
    yield from volumes
    for path in inside:
        if path.is_dir():
            yield from volumes_below(path)


def holds_dicom(path: Path) -> bool:
    """Whether a path is a DICOM file that can be read."""
    try:
        return path.is_file() and is_dicom(path)
    except OSError:
        return False


__all__ = ["holds_dicom", "volumes_below"]
