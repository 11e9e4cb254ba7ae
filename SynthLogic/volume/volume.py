"""Voxels that know where they are, and the exact way to one common orientation and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from SynthLogic.errors import InputError
from SynthLogic.volume.grid import FloatArray, Grid, checked_matrix
from SynthLogic.volume.orientation import Orientation, assignment


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels and their place.

    Attributes:
        array: (K, J, I), any real type. Not copied, never written to.
        ijk_to_ras: 4x4 float64, maps (i, j, k, 1) of voxel centres to RAS in mm.

    Raises:
        InputError: not three-dimensional, empty, or a matrix that cannot be a geometry.
    """

    array: NDArray[Any]
    ijk_to_ras: FloatArray

    def __post_init__(self) -> None:
        array = np.asarray(self.array)
        if array.ndim != 3:
            raise InputError(f"The image has {array.ndim} dimensions; give one three-dimensional image.")
        if array.dtype.kind not in "buif":
            raise InputError(f"The image's voxels are {array.dtype}; give one number per voxel.")
        grid = Grid(array.shape, self.ijk_to_ras)
        object.__setattr__(self, "array", array)
        object.__setattr__(self, "ijk_to_ras", grid.ijk_to_ras)
        object.__setattr__(self, "_grid", grid)

    @property
    def grid(self) -> Grid:
        """The grid the voxels lie on."""
        return self._grid  # type: ignore[attr-defined]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along (K, J, I)."""
        return self.grid.shape

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance of neighbouring voxel centres along (I, J, K) in mm."""
        return self.grid.spacing

    def with_array(self, array: NDArray[Any]) -> Volume:
        """Return other voxels (K, J, I) on the same grid."""
        if array.shape != self.shape:
            raise ValueError(f"array has shape {array.shape}; the grid has {self.shape}")
        return Volume(array, self.ijk_to_ras)

    def under(self, parent_to_world: ArrayLike) -> Volume:
        """Return the same voxels as seen below a parent transform.

        Args:
            parent_to_world: 4x4 in RAS mm (rigid, scaling or any invertible affine); the new matrix is
                ``parent_to_world @ ijk_to_ras``.

        Raises:
            InputError: a transform that is not finite, affine and invertible.
        """
        parent = checked_matrix(parent_to_world, "The parent transform")
        return Volume(self.array, parent @ self.ijk_to_ras)

    def canonical(self) -> tuple[Volume, Orientation]:
        """Return the volume with K nearest to +S, J to +A, I to +R, and the way back.

        Axes are only exchanged and reversed: voxels are a view of these, nothing is interpolated. Of
        the six assignments of axes to world directions the one with the largest sum of absolute cosines
        is taken; ties (45 degrees) are broken by the axes' place in the world, so all 48 ways of storing
        one scan give the same result.
        """
        perm, signs = assignment(self.grid.direction)
        # perm and signs are per world direction R, A, S = canonical I, J, K; arrays run K, J, I.
        axes = (2 - perm[2], 2 - perm[1], 2 - perm[0])
        flips = (signs[2] < 0, signs[1] < 0, signs[0] < 0)
        orientation = Orientation(axes, flips)
        step = np.zeros((4, 4))
        step[3, 3] = 1
        for new, (old, sign) in enumerate(zip(perm, signs, strict=True)):
            step[old, new] = sign
            step[old, 3] = self.shape[2 - old] - 1 if sign < 0 else 0
        return Volume(orientation.apply(self.array), self.ijk_to_ras @ step), orientation

    def __reduce__(self) -> tuple[Any, ...]:
        return Volume, (self.array, np.array(self.ijk_to_ras))
