"""The label map that goes through the network together with its scan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from SynthLogic.errors import InputError
from SynthLogic.volume import Grid, label_fault, read_volume


def read_labels(path: Path, grid: Grid) -> NDArray[np.uint8]:
    """The label map of a file, (K, J, I).

    Raises:
        InputError: it cannot be read, does not lie on ``grid``, or is no label map.
    """
    volume = read_volume(path).volume
    if not volume.grid.is_close(grid):
        raise InputError(
            f"The label map {path.name} does not lie on the scan's grid; resample it there first."
        )
    return checked_labels(volume.array)


def checked_labels(labels: NDArray[Any]) -> NDArray[np.uint8]:
    """``labels``, of any shape and type, as uint8.

    Raises:
        InputError: a value is no whole number from 0 to 255.
    """
    array = np.asarray(labels)
    if label_fault(array) is not None:
        raise InputError(
            "The label map holds values that are not whole numbers from 0 to 255; give a segmentation saved "
            "as labels."
        )
    return array.astype(np.uint8, copy=False)


__all__ = ["checked_labels", "read_labels"]
