"""Where voxels lie: a number of voxels per axis and the matrix that places them in the patient."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from SynthLogic.errors import InputError
from SynthLogic.volume.orientation import assignment

FloatArray = NDArray[np.float64]
SHEAR_TOLERANCE = 1e-3
"""Largest |cosine| between two axes that still counts as a right angle (0.06 degrees)."""


def checked_matrix(matrix: ArrayLike, what: str) -> FloatArray:
    """Return ``matrix`` as a read-only 4x4 float64 copy.

    Raises:
        InputError: not 4x4, not finite, last row not (0, 0, 0, 1), or not invertible.
    """
    result = np.array(matrix, dtype=np.float64)
    if result.shape != (4, 4):
        raise InputError(f"{what} has shape {result.shape}; it must be a 4x4 matrix.")
    if not np.isfinite(result).all():
        raise InputError(
            f"{what} holds NaN or infinite numbers; correct the spacing and orientation of the image."
        )
    if not np.allclose(result[3], (0, 0, 0, 1), atol=1e-9):
        raise InputError(f"{what} is not affine (its last row must be 0 0 0 1); use a linear transform.")
    lengths = np.linalg.norm(result[:3, :3], axis=0)
    if not (lengths > 1e-6).all() or abs(np.linalg.det(result[:3, :3] / lengths)) < 1e-6:
        raise InputError(
            f"{what} is singular (a spacing of zero or parallel axes); correct the image's geometry."
        )
    result.flags.writeable = False
    return result


@dataclass(frozen=True, eq=False)
class Grid:
    """A voxel grid.

    Attributes:
        shape: voxels along (K, J, I).
        ijk_to_ras: 4x4, maps voxel indices (i, j, k, 1) of voxel centres to RAS in mm. May be oblique,
            left-handed or sheared.

    Raises:
        InputError: a matrix that cannot be a geometry.
    """

    shape: tuple[int, int, int]
    ijk_to_ras: FloatArray

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        if len(shape) != 3 or min(shape) < 1:
            raise InputError(
                f"The image has shape {shape}; it must have three axes with at least one voxel each."
            )
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "ijk_to_ras", checked_matrix(self.ijk_to_ras, "The IJK-to-RAS matrix"))

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance of neighbouring voxel centres along (I, J, K) in mm."""
        i, j, k = np.linalg.norm(self.ijk_to_ras[:3, :3], axis=0)
        return float(i), float(j), float(k)

    @property
    def direction(self) -> FloatArray:
        """3x3; columns are the unit vectors of I, J and K in RAS."""
        return np.asarray(self.ijk_to_ras[:3, :3] / np.asarray(self.spacing))

    @property
    def origin(self) -> FloatArray:
        """RAS position of the centre of voxel (0, 0, 0) in mm."""
        return self.ijk_to_ras[:3, 3].copy()

    @property
    def extent_mm(self) -> tuple[float, float, float]:
        """Field of view along (I, J, K) in mm, from voxel edge to voxel edge."""
        i, j, k = (s * n for s, n in zip(self.spacing, self.shape[::-1], strict=True))
        return i, j, k

    @property
    def centre(self) -> FloatArray:
        """RAS position of the middle of the field of view in mm."""
        return self.to_ras((np.asarray(self.shape[::-1]) - 1) / 2)

    @property
    def axis_codes(self) -> str:
        """The world direction nearest to I, J and K, for example "LPS" or "RAS"; for text only."""
        axes, signs = assignment(self.direction)
        codes = {
            axis: letters[sign < 0]
            for axis, sign, letters in zip(axes, signs, ("RL", "AP", "SI"), strict=True)
        }
        return codes[0] + codes[1] + codes[2]

    @property
    def is_sheared(self) -> bool:
        """Whether the axes are not at right angles, which no file format here can store."""
        cosines = self.direction.T @ self.direction
        return bool(np.abs(cosines - np.eye(3)).max() > SHEAR_TOLERANCE)

    def to_ras(self, ijk: ArrayLike) -> FloatArray:
        """Map voxel indices (..., 3), ordered i, j, k and possibly fractional, to RAS in mm."""
        return np.asarray(ijk, dtype=np.float64) @ self.ijk_to_ras[:3, :3].T + self.ijk_to_ras[:3, 3]

    def to_ijk(self, ras: ArrayLike) -> FloatArray:
        """Map RAS positions (..., 3) in mm to fractional voxel indices i, j, k."""
        inverse = np.linalg.inv(self.ijk_to_ras)
        return np.asarray(ras, dtype=np.float64) @ inverse[:3, :3].T + inverse[:3, 3]

    def is_close(self, other: Grid, tolerance: float = 1e-3) -> bool:
        """Whether both have the same shape and no corner lies further apart than ``tolerance`` voxels."""
        if self.shape != other.shape:
            return False
        ends = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape[::-1]])).reshape(3, -1).T
        apart = np.abs(self.to_ras(ends) - other.to_ras(ends)).max()
        axes = np.abs(self.ijk_to_ras[:3, :3] - other.ijk_to_ras[:3, :3]).max()
        return bool(max(apart, axes) <= tolerance * min(self.spacing))

    def with_spacing(self, spacing: tuple[float, float, float]) -> Grid:
        """Return the grid with the same axes and centre and voxels of ``spacing`` (I, J, K) in mm.

        The count per axis is the smallest that covers this field of view; less than half a new voxel
        then sticks out on each side, so every new voxel centre lies inside.
        """
        if not all(math.isfinite(s) and s > 0 for s in spacing):
            raise ValueError(f"spacing is {spacing}; it must be positive")
        counts = [
            n if abs(new / old - 1) < 1e-6 else max(1, math.ceil(n * old / new - 1e-3))
            for n, old, new in zip(self.shape[::-1], self.spacing, spacing, strict=True)
        ]
        matrix = np.eye(4)
        matrix[:3, :3] = self.direction * np.asarray(spacing)
        matrix[:3, 3] = self.centre - matrix[:3, :3] @ ((np.asarray(counts) - 1) / 2)
        return Grid((counts[2], counts[1], counts[0]), matrix)

    def with_shape(self, shape: tuple[int, int, int]) -> Grid:
        """Return the grid with ``shape`` (K, J, I) voxels of the same size, cropped or padded at both ends.

        Voxels stay on this grid's lattice; of an odd difference the extra voxel is at the far end.
        """
        first = [
            (old - new) // 2 if old >= new else -((new - old) // 2)
            for old, new in zip(self.shape, shape, strict=True)
        ]
        matrix = self.ijk_to_ras.copy()
        matrix[:3, 3] = self.to_ras(first[::-1])
        return Grid(shape, matrix)

    def __repr__(self) -> str:
        spacing = " x ".join(f"{s:.4g}" for s in self.spacing)
        return f"Grid(shape={self.shape}, spacing={spacing} mm, axes={self.axis_codes})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Grid, (self.shape, np.array(self.ijk_to_ras))
