"""Voxel grids of simulated examinations: painted along the body's axes, stored as a scanner would."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from SynthLogic.errors import ConfigError
from SynthLogic.volume import Volume

# For each stored axis I, J, K: the body axis (0 right, 1 anterior, 2 superior) and which way it runs.
AXIAL = ((0, -1), (1, -1), (2, 1))
CORONAL = ((0, -1), (2, -1), (1, -1))
Axes = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Lattice:
    """A grid about ``middle`` (x, y, z mm RAS). ``shape`` (S, A, R) and ``spacing`` (R, A, S) in mm are along
    the body's axes, in the order that painting uses; ``axes`` says how arrays are stored."""

    axes: Axes
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    middle: tuple[float, float, float]

    def volume(self, array: np.ndarray) -> Volume:
        """The painted (S, A, R) ``array`` as it is stored, with its IJK-to-RAS matrix."""
        order = [2 - axis for axis, _ in self.axes[::-1]]  # array axes of K, J, I
        stored = array.transpose(order)
        stored = stored[tuple(slice(None, None, way) for _, way in self.axes[::-1])]
        matrix = np.eye(4)
        for column, (axis, way) in enumerate(self.axes):
            matrix[:3, column] = 0
            matrix[axis, column] = way * self.spacing[axis]
        last = (np.array(stored.shape[::-1]) - 1) / 2
        matrix[:3, 3] = np.array(self.middle) - matrix[:3, :3] @ last
        return Volume(np.ascontiguousarray(stored), matrix)


def plan(
    axes: Axes,
    shape: tuple[int, int, int] | None,
    spacing: tuple[float, float, float],
    field: tuple[float, float, float],
    middle: tuple[float, float, float],
) -> Lattice:
    """Grid of ``shape`` (K, J, I) and ``spacing`` (I, J, K) as stored; no shape: ``field`` (mm; R, A, S).

    Raises:
        ConfigError: sizes that cannot be simulated.
    """
    if len(spacing) != 3 or not all(np.isfinite(s) and 0.2 <= s <= 20 for s in spacing):
        raise ConfigError(f"A phantom with voxels of {spacing} mm cannot be made: give 0.2 to 20 mm.")
    if shape is None:
        sizes = [max(1, round(field[axis] / s)) for (axis, _), s in zip(axes, spacing, strict=True)]
        shape = (sizes[2], sizes[1], sizes[0])
    if len(shape) != 3 or min(shape) < 1 or int(np.prod(shape)) > 600**3:
        raise ConfigError(
            f"A phantom of {shape} voxels cannot be made: give three sizes from 1 to about 600."
        )
    along = {axis: (shape[2 - n], spacing[n]) for n, (axis, _) in enumerate(axes)}
    return Lattice(
        axes,
        (along[2][0], along[1][0], along[0][0]),
        (float(along[0][1]), float(along[1][1]), float(along[2][1])),
        middle,
    )
