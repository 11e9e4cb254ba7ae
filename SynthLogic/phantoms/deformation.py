"""Seeded smooth deformations of space with an exact inverse, for pairs of domains that do not lie alike.

Each is a chain of shears: one coordinate is moved by a smooth function of the others, then the next. A shear
is undone by subtracting what it has added, so the inverse is exact to the last digits, nothing ever folds,
and every part of the body keeps its volume.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from SynthLogic.volume import Grid, Volume

FloatArray = NDArray[np.float64]
_WAVES, _ROUNDS = 6, 2


@dataclass(frozen=True, eq=False)
class Shear:
    """Moves RAS points along one axis by a sum of waves that run across it.

    Attributes:
        axis: 0 right, 1 anterior, 2 superior.
        heights_mm: (W,) of the waves.
        ways: (W, 3) radians per mm, 0 along ``axis``.
        phases: (W,) radians.
    """

    axis: int
    heights_mm: FloatArray
    ways: FloatArray
    phases: FloatArray

    def offset(self, points: FloatArray) -> FloatArray:
        """(...,) mm along the axis at points (..., 3); the same at a point and where it has been moved to."""
        return np.asarray(np.sin(points @ self.ways.T + self.phases) @ self.heights_mm)


@dataclass(frozen=True, eq=False)
class Deformation:
    """Shears one after the other, in RAS mm.

    Attributes:
        shears: the first is applied first.
        back: whether this is the way back, which undoes the last first.
    """

    shears: tuple[Shear, ...]
    back: bool = False

    @classmethod
    def drawn(
        cls, seed: int, size_mm: float, wavelength_mm: float = 120.0, axes: tuple[int, ...] = (0, 1, 2)
    ) -> Deformation:
        """One that is the same for the same arguments.

        Args:
            seed: any whole number that is not negative.
            size_mm: root mean square of the displacement along each axis, over all of space, roughly.
            wavelength_mm: of the shortest waves; others are up to twice as long.
            axes: of RAS along which anything moves; (0, 1) keeps axial slices in their planes.

        Raises:
            ValueError: sizes that are not above 0, or axes that are not different ones of 0, 1 and 2.
        """
        if not (size_mm >= 0 and wavelength_mm > 0 and np.isfinite([size_mm, wavelength_mm]).all()):
            raise ValueError("size_mm must be 0 or more and wavelength_mm above 0")
        if not axes or len(set(axes)) != len(axes) or not set(axes) <= {0, 1, 2}:
            raise ValueError(f"axes is {axes}; it must name different ones of 0, 1 and 2")
        rng = np.random.default_rng([seed, 20180916])
        shears = []
        for axis in axes * _ROUNDS:
            directions = rng.standard_normal((_WAVES, 3))
            directions[:, axis] = 0
            directions /= np.linalg.norm(directions, axis=1, keepdims=True)
            lengths = wavelength_mm * rng.uniform(1, 2, _WAVES)
            heights = rng.standard_normal(_WAVES)
            # A wave of height h has the root mean square h / sqrt(2); rounds add up as independent ones do.
            heights *= size_mm * np.sqrt(2 / _ROUNDS) / np.linalg.norm(heights)
            ways = 2 * np.pi * directions / lengths[:, None]
            shears.append(Shear(axis, heights, ways, rng.uniform(0, 2 * np.pi, _WAVES)))
        return cls(tuple(shears))

    @cached_property
    def inverse(self) -> Deformation:
        """The way back."""
        return Deformation(self.shears, not self.back)

    def __call__(self, points: ArrayLike) -> FloatArray:
        """Where RAS points (..., 3) in mm come to lie."""
        moved = np.array(points, np.float64)
        for shear in reversed(self.shears) if self.back else self.shears:
            offset = shear.offset(moved)
            moved[..., shear.axis] += -offset if self.back else offset
        return moved

    def of(
        self, volume: Volume, grid: Grid | None = None, *, order: int = 1, background: float = 0
    ) -> Volume:
        """The volume as it looks deformed: what lay at p now lies at this(p).

        Args:
            volume: any grid.
            grid: of the result; None: the volume's own.
            order: of the spline: 0 nearest (labels), 1 linear, 3 cubic.
            background: value outside the volume's field of view, in its units.
        """
        grid = volume.grid if grid is None else grid
        source = volume.array if order == 0 else volume.array.astype(np.float32)
        # Prepared once: map_coordinates would filter the whole volume again for every slice.
        ready = ndimage.spline_filter(source, order, output=np.float32) if order > 1 else source
        result: NDArray[Any] = np.empty(grid.shape, volume.array.dtype)
        slices, rows, columns = grid.shape
        plane = np.stack(np.meshgrid(np.arange(columns), np.arange(rows), indexing="xy"), -1).astype(
            np.float64
        )
        for k in range(slices):
            ijk = np.concatenate([plane, np.full((*plane.shape[:2], 1), float(k))], -1)
            places = volume.grid.to_ijk(self.inverse(grid.to_ras(ijk)))
            values = ndimage.map_coordinates(
                ready, np.moveaxis(places, -1, 0)[::-1], order=order, mode="grid-constant",
                cval=background, prefilter=False,
            )  # fmt: skip
            if result.dtype.kind in "iu" and values.dtype.kind == "f":
                limits = np.iinfo(result.dtype)
                values = np.rint(values).clip(limits.min, limits.max)
            result[k] = values
        return Volume(result, grid.ijk_to_ras)


__all__ = ["Deformation", "Shear"]
