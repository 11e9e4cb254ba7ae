"""The three structures of a heart's label map: their values, names, codes and colours."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from SynthLogic.errors import InputError


class HeartLabel(IntEnum):
    """Values of a heart's label map."""

    BACKGROUND = 0
    LV_CAVITY = 1
    MYOCARDIUM = 2
    RV_CAVITY = 3


class Structure(NamedTuple):
    """How one label is shown and what it is.

    Attributes:
        name: as shown.
        colour: red, green, blue from 0 to 1.
        category: (scheme, value, meaning) of the kind of thing.
        type: (scheme, value, meaning) of the thing.
    """

    name: str
    colour: tuple[float, float, float]
    category: tuple[str, str, str]
    type: tuple[str, str, str]


_STRUCTURE = ("SCT", "123037004", "Anatomical Structure")
# Ventricles as in Slicer's General Anatomy list. That has no myocardium, nor cavities apart from walls; the
# code of the myocardium is the one that the TotalSegmentator extension writes.
STRUCTURES: dict[HeartLabel, Structure] = {
    HeartLabel.LV_CAVITY: Structure(
        "LV cavity", (0.84, 0.37, 0.0), _STRUCTURE, ("SCT", "87878005", "Left Ventricle")
    ),
    HeartLabel.MYOCARDIUM: Structure(
        "LV myocardium", (0.94, 0.89, 0.26), _STRUCTURE, ("SCT", "74281007", "Myocardium")
    ),
    HeartLabel.RV_CAVITY: Structure(
        "RV cavity", (0.0, 0.45, 0.70), _STRUCTURE, ("SCT", "53085002", "Right Ventricle")
    ),
}
"""What each label but the background is."""

EXPECTED = ", ".join(f"{label.value} {structure.name}" for label, structure in STRUCTURES.items())
"""For messages: "1 LV cavity, 2 LV myocardium, 3 RV cavity"."""


def checked_labels(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Return labels (any shape) as uint8; the same array where it is that already.

    Raises:
        InputError: values other than those of ``HeartLabel``; lists them and what is expected.
    """
    values = np.unique(array) if array.dtype.kind == "f" else _few_unique(array)
    unknown = [value for value in values.tolist() if value not in (0, 1, 2, 3)]
    if unknown:
        listed = ", ".join(f"{value:g}" for value in unknown[:8]) + (", .." if len(unknown) > 8 else "")
        raise InputError(
            f"The label map holds the values {listed}; expected are 0 background, {EXPECTED}: "
            "say which value is which structure."
        )
    return np.asarray(array, dtype=np.uint8)


def _few_unique(array: NDArray[Any]) -> NDArray[Any]:
    """Unique integers without sorting every voxel."""
    if array.dtype == np.uint8:
        return np.flatnonzero(np.bincount(array.ravel(), minlength=256))
    return np.unique(array)
