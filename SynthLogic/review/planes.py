"""Three planes through a volume, in display orientation and mm, with patient directions at the edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from SynthLogic.volume import Volume

Array = NDArray[Any]
Extent = tuple[float, float, float, float]

_OBLIQUE = 0.35


@dataclass(frozen=True)
class Plane:
    """A picture's axes in the canonical array, and the axis it cuts."""

    name: str
    axis: int  # canonical array axis that is cut
    rows: int  # canonical array axis that runs down the picture
    columns: int  # canonical array axis that runs across the picture


# In the canonical array (K to superior, J to anterior, I to right) every picture axis runs backwards.
PLANES = (Plane("Axial", 0, 1, 2), Plane("Coronal", 1, 0, 2), Plane("Sagittal", 2, 0, 1))


class Cutter:
    """Cuts canonical arrays at one point, in display orientation and mm."""

    def __init__(self, volume: Volume, index: Sequence[int]) -> None:
        self.index = tuple(index)
        self.shape = volume.array.shape
        self.spacing = tuple(volume.spacing)[::-1]  # (K, J, I) mm, as the axes of the array
        direction = np.asarray(volume.grid.direction)[:, ::-1]  # columns of K, J, I
        self.letters = [
            (patient_letters(direction[:, axis]), patient_letters(-direction[:, axis])) for axis in range(3)
        ]

    def of(self, array: Array, plane: Plane) -> Array:
        """Slice of the canonical ``array``, first row at the top of the picture."""
        return np.take(array, self.index[plane.axis], axis=plane.axis)[::-1, ::-1]

    def size_mm(self, plane: Plane) -> tuple[float, float]:
        """(width, height) of the plane's picture."""
        return (
            self.shape[plane.columns] * self.spacing[plane.columns],
            self.shape[plane.rows] * self.spacing[plane.rows],
        )

    def extent(self, plane: Plane) -> Extent:
        """(left, right, bottom, top) in mm about the picture's middle."""
        width, height = self.size_mm(plane)
        return (-width / 2, width / 2, -height / 2, height / 2)

    def name_of(self, plane: Plane) -> str:
        """The plane's name, marked where the scan is so oblique that it is only the nearest one."""
        return f"{plane.name}, oblique" if len(self.letters[plane.axis][0]) > 1 else plane.name

    def edge_letters(self, plane: Plane) -> tuple[str, str, str, str]:
        """Letters at the left, right, top and bottom edge."""
        (left, right), (top, bottom) = self.letters[plane.columns], self.letters[plane.rows]
        return left, right, top, bottom


def patient_letters(direction: Array) -> str:
    """Patient direction of a unit RAS vector, a second letter where clearly oblique (DICOM C.7.6.1.1.1)."""
    names = ("RL", "AP", "SI")
    order = np.argsort(-np.abs(direction))
    kept = [int(a) for n, a in enumerate(order) if n == 0 or (n == 1 and abs(direction[a]) > _OBLIQUE)]
    return "".join(names[a][0 if direction[a] > 0 else 1] for a in kept)


def canonical_index(volume: Volume, canonical: Volume, centre: tuple[int, int, int]) -> tuple[int, ...]:
    """Voxel ``centre`` (k, j, i) of ``volume`` as an index into its canonical array."""
    k, j, i = centre
    point = volume.ijk_to_ras @ np.array([i, j, k, 1.0])
    index = np.rint(np.linalg.solve(canonical.ijk_to_ras, point))[2::-1].astype(int)
    return tuple(int(np.clip(n, 0, size - 1)) for n, size in zip(index, canonical.array.shape, strict=True))
