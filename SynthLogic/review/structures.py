"""Structures told apart by intensity alone, to ask whether bone stays bone and blood stays blood."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from SynthLogic.errors import ConfigError
from SynthLogic.review.metrics import dice


@dataclass(frozen=True)
class Structure:
    """Voxels with lower <= value < upper, in the image's units (CT: HU; MR: a.u.)."""

    name: str
    lower: float = -math.inf
    upper: float = math.inf

    def of(self, array: NDArray[Any], body: NDArray[Any] | None = None) -> NDArray[Any]:
        """Boolean mask of the structure in ``array``, inside ``body`` if given."""
        inside = (array >= self.lower) & (array < self.upper)
        return inside if body is None else inside & body


# CT: lung and bone as in densitometry; blood between soft tissue and bone only with contrast agent.
# MR: a balanced SSFP image scaled to 0..1000, where lung and cortical bone give hardly any signal and cannot
# be told from one another by intensity.
STRUCTURES: Mapping[str, tuple[Structure, ...]] = {
    "CT": (
        Structure("lung", -950.0, -600.0),
        Structure("blood pool", 180.0, 450.0),
        Structure("bone", 450.0),
    ),
    "MR": (
        Structure("lung and cortical bone", upper=120.0),
        Structure("blood pool", 600.0),
    ),
}


def structure_dice(
    output: NDArray[Any],
    reference: NDArray[Any],
    body: NDArray[Any] | None,
    modality: str,
    structures: Sequence[Structure] | None = None,
) -> dict[str, float]:
    """Dice of every structure of ``modality``, thresholded alike in output and reference.

    Args:
        output: synthetic image (K, J, I), in the units of its modality.
        reference: the true image on the same grid.
        body: boolean mask; air outside would count as lung in MR.
        modality: "CT" or "MR".
        structures: other ranges than those of `STRUCTURES`.

    Returns:
        Dice by the structure's name; not a number where neither image has the structure.

    Raises:
        ConfigError: the modality has no ranges, or the shapes differ.
    """
    if structures is None:
        if modality not in STRUCTURES:
            raise ConfigError(
                f"No structures are known for modality {modality!r}; known are {', '.join(STRUCTURES)}."
            )
        structures = STRUCTURES[modality]
    return {s.name: dice(s.of(output), s.of(reference), body) for s in structures}
