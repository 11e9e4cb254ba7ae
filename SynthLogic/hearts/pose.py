"""How the frame of a heart is turned, where its middle is, and whether the heart fits it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from SynthLogic.errors import InputError
from SynthLogic.hearts.frame import Points, to_base, to_septum
from SynthLogic.volume import Grid

FloatArray = NDArray[np.float64]

_SNAP_COSINE = np.cos(np.radians(3))
_SNAP_PIXELS = 3.0


@dataclass(frozen=True, eq=False)
class Pose:
    """A frame without its slices.

    Attributes:
        normal: (3,) unit vector from apex to base.
        in_plane: (2, 3), rows are the unit vectors of I and J; with ``normal`` a right-handed frame.
        middle: (3,) RAS in mm, in the middle of the frame's slices; its height does not matter.
        size: pixels a side.
        pixel_mm: their size.
    """

    normal: FloatArray
    in_plane: FloatArray
    middle: FloatArray
    size: int
    pixel_mm: float

    @classmethod
    def of(
        cls, points: Points, source: Grid, axis: int | None, normal: FloatArray, size: int, pixel_mm: float
    ) -> Pose:
        """The pose of a heart whose slices have this ``normal``, or its opposite.

        Args:
            points: its voxels.
            source: their grid.
            axis: the axis of the grid whose slices are kept as they are, if any.
            normal: unit vector.
            size: pixels a side of the frame.
            pixel_mm: their size.

        Raises:
            InputError: the heart is larger than the frame.
        """
        normal = to_base(points, normal)
        across = to_septum(points, normal)
        middle = points.ras[points.left_ventricle].mean(axis=0)
        pose = cls(normal, np.stack([across, np.cross(normal, across)]), middle, size, pixel_mm)
        return pose._snapped(source, axis)._moved_to_hold(points)

    @classmethod
    def from_grid(cls, grid: Grid) -> Pose:
        """The pose of a frame that exists."""
        direction = grid.direction
        return cls(direction[:, 2], direction[:, :2].T, grid.centre, grid.shape[2], grid.spacing[0])

    def grid(self, heights: FloatArray, step: float) -> Grid:
        """The frame's grid with slices at ``heights`` (K,), mm along the normal, ``step`` mm apart."""
        matrix = np.eye(4)
        matrix[:3, :3] = np.stack([*(self.in_plane * self.pixel_mm), self.normal * step], axis=1)
        first = self.middle + (heights[0] - self.middle @ self.normal) * self.normal
        matrix[:3, 3] = first - self.in_plane.sum(axis=0) * self.pixel_mm * (self.size - 1) / 2
        return Grid((len(heights), self.size, self.size), matrix)

    def check_holds(self, points: Points) -> None:
        """Nothing.

        Raises:
            InputError: part of the heart lies outside.
        """
        low, high = self._reach(points)
        half = self.size * self.pixel_mm / 2
        beyond = float(max((high - half).max(), (-half - low).max()))
        if beyond > 0:
            raise InputError(
                f"The edited heart reaches {beyond:.0f} mm out of the {2 * half:.0f} mm that the networks "
                "saw before; remove what does not belong to the heart, or start again from this segmentation."
            )

    def _reach(self, points: Points) -> tuple[FloatArray, FloatArray]:
        """Lowest and highest place of a voxel centre along I and J, from the middle, in mm."""
        across = (points.ras - self.middle) @ self.in_plane.T
        return across.min(axis=0), across.max(axis=0)

    def _moved_to_hold(self, points: Points) -> Pose:
        """This pose, moved by whole pixels as far as the heart needs to fit."""
        low, high = self._reach(points)
        field = (self.size - 1) * self.pixel_mm
        if ((high - low) > field).any():
            width, height = (high - low) + self.pixel_mm
            raise InputError(
                f"The heart measures {width:.0f} x {height:.0f} mm across its axis, more than the "
                f"{self.size * self.pixel_mm:.0f} mm that the networks see; remove what does not belong to "
                "the heart, or check the pixel spacing."
            )
        beyond = np.maximum(high - field / 2, 0) - np.maximum(-field / 2 - low, 0)
        steps = np.sign(beyond) * np.ceil(np.abs(beyond) / self.pixel_mm - 1e-6)
        return replace(self, middle=self.middle + (steps * self.pixel_mm) @ self.in_plane)

    def _snapped(self, source: Grid, axis: int | None) -> Pose:
        """This pose on the source's own pixels, where it is that near to them.

        So a stack that lies in such a frame already is not interpolated.
        """
        if axis is None or source.is_sheared:
            return self
        others = [n for n in range(3) if n != axis]
        if any(abs(source.spacing[n] / self.pixel_mm - 1) > 1e-3 for n in others):
            return self
        axes = [sign * source.direction[:, n] for n in others for sign in (1, -1)]
        turned = np.stack([max(axes, key=lambda own: float(own @ wanted)) for wanted in self.in_plane])
        if float(turned[0] @ self.in_plane[0]) < _SNAP_COSINE:
            return self
        own, at, half = source.to_ijk(source.centre), source.to_ijk(self.middle), (self.size - 1) / 2
        for n in others:
            # A frame of the same size is kept; else the middle of an even one lies between two pixels.
            same = source.shape[2 - n] == self.size and abs(at[n] - own[n]) <= _SNAP_PIXELS
            at[n] = own[n] if same else np.rint(at[n] - half) + half
        return replace(self, in_plane=turned, middle=source.to_ras(at))
