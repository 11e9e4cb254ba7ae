"""Label maps as soft, coarse structures: what an optimiser that moves them needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from SynthLogic.errors import InputError
from SynthLogic.volume import MOST_FOREIGN_LABEL, Grid, Volume, label_fault, resample
from SynthLogic.volume.grid import FloatArray

# Of all structures together, and of one.
_POINTS, _FEWEST, _MOST = 20_000, 300, 1500
_FAINT = 0.05
# A structure of fewer voxels has neither a place nor a shape to go by.
LEAST_VOXELS = 8


@dataclass(frozen=True, eq=False)
class Structure:
    """One structure of one scan.

    Attributes:
        share: (K, J, I) float32, the share of each coarse voxel that the structure fills, with a margin of 0.
        grid: of ``share``.
        points: (N, 3) RAS mm, some of the coarse voxels that hold any of it.
        weights: (N,) mm^3 that each of them stands for; they sum to the structure's volume.
        centroid: (3,) RAS mm.
    """

    share: NDArray[np.float32]
    grid: Grid
    points: FloatArray
    weights: FloatArray
    centroid: FloatArray

    @property
    def volume(self) -> float:
        """In mm^3."""
        return float(self.weights.sum())


def checked_labels(labels: Volume, what: str) -> Volume:
    """A label map as int32 in canonical order, its matrix rounded to 1e-6 mm.

    So whichever way one label map was stored, the same numbers follow.

    Raises:
        InputError: fractions, negative numbers, or nothing labelled.
    """
    canonical, _ = labels.canonical()
    array = canonical.array
    fault = label_fault(array, MOST_FOREIGN_LABEL)
    if fault == "fractions":
        raise InputError(f"The {what} labels hold fractions, so they are no label map; give a label map.")
    if fault == "range":
        raise InputError(
            f"The {what} labels run from {array.min():g} to {array.max():g}; number them from 1 to "
            f"{MOST_FOREIGN_LABEL}."
        )
    if not array.any():
        raise InputError(f"The {what} labels are empty; label the structures first.")
    return Volume(array.astype(np.int32), np.round(canonical.ijk_to_ras, 6))


def counts_of(labels: Volume) -> dict[int, int]:
    """Voxels per label value, without 0."""
    counts = np.bincount(labels.array.ravel())
    return {int(value): int(counts[value]) for value in np.flatnonzero(counts) if value}


def structures_of(
    labels: Volume, values: Sequence[int], spacing_mm: float, margin_mm: float
) -> list[Structure]:
    """The structures of a checked label map, in the order of ``values``.

    Args:
        labels: see ``checked_labels``.
        values: label values, all present.
        spacing_mm: of the coarse voxels; along an axis with thicker voxels these stay.
        margin_mm: of zeros around each.
    """
    boxes = ndimage.find_objects(labels.array, max_label=max(values))
    points = min(max(_POINTS // len(values), _FEWEST), _MOST)
    return [_structure(labels, value, boxes[value - 1], spacing_mm, margin_mm, points) for value in values]


def _structure(
    labels: Volume, value: int, box: tuple[slice, ...], spacing_mm: float, margin_mm: float, most: int
) -> Structure:
    spacing = tuple(max(s, spacing_mm) for s in labels.spacing)
    # What the low-pass in front of coarser voxels reaches.
    reach = [1 + int(np.ceil(2 * new / old)) for new, old in zip(spacing, labels.spacing, strict=True)][::-1]
    box = tuple(
        slice(max(s.start - r, 0), min(s.stop + r, n))
        for s, r, n in zip(box, reach, labels.shape, strict=True)
    )
    matrix = labels.ijk_to_ras.copy()
    matrix[:3, 3] = labels.grid.to_ras([s.start for s in box[::-1]])
    part = Volume((labels.array[box] == value).astype(np.float32), matrix)
    grid = part.grid.with_spacing((spacing[0], spacing[1], spacing[2]))
    wider = [n + 2 * int(np.ceil(margin_mm / s)) for n, s in zip(grid.shape, spacing[::-1], strict=True)]
    grid = grid.with_shape((wider[0], wider[1], wider[2]))
    share = resample(part, grid).array
    found = np.argwhere(share > _FAINT)
    if len(found) > most:
        kept = np.random.default_rng(value).choice(len(found), most, replace=False)
        found = found[np.sort(kept)]
    weights = share[tuple(found.T)].astype(np.float64)
    volume = float(part.array.sum(dtype=np.float64)) * abs(float(np.linalg.det(matrix[:3, :3])))
    return Structure(
        share=share,
        grid=grid,
        points=grid.to_ras(found[:, ::-1]),
        weights=weights * (volume / weights.sum()),
        centroid=grid.to_ras(ndimage.center_of_mass(share)[::-1]),
    )
