"""Signed distances (mm, negative inside) of the shapes that anatomy is built of.

Bones and muscles with no formula are clouds of overlapping balls along a rope or on a sheet: control points
give the course, the balls' radii the thickness.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from SynthLogic.phantoms.canvas import Box, Canvas, smooth_path

_CELL = 8.0


def oval(
    x: np.ndarray, y: np.ndarray, a: np.ndarray | float, b: np.ndarray | float, power: float
) -> np.ndarray:
    """Signed distance, first order, to a superellipse |x/a|^p + |y/b|^p = 1 in each axial plane."""
    u, v = np.abs(x) / a, np.abs(y) / b
    size = (u**power + v**power + 1e-9) ** (1 / power)
    slope = np.sqrt((u ** (power - 1) / a) ** 2 + (v ** (power - 1) / b) ** 2) * size ** (1 - power)
    return (size - 1) / np.maximum(slope, 1e-4)


def smooth_min(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    """Union of two distances whose seam is rounded over ``width`` mm."""
    h = np.clip(0.5 + 0.5 * (b - a) / width, 0, 1)
    return np.asarray(b + h * (a - b) - width * h * (1 - h))


def smooth_max(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    """Intersection of two distances whose edge is rounded over ``width`` mm."""
    return -smooth_min(-a, -b, width)


def ramp(value: np.ndarray, points: Sequence[tuple[float, float]]) -> np.ndarray:
    """Piecewise linear function through ``points`` (value, result), constant beyond; float32."""
    at, result = zip(*points, strict=True)
    return np.interp(value, at, result).astype(np.float32)


def coarsely(canvas: Canvas, measure: Callable[..., Any], box: Box | None, *more: Any) -> Any:
    """``measure(x, y, z, *more)`` of smooth distances, taken at every other voxel where these are small."""
    place: Box = box or (slice(None), slice(None), slice(None))
    axes = [axis[place] for axis in (canvas.x, canvas.y, canvas.z)]
    if canvas.edge > 2.6 or min(axes[0].shape) < 4:
        return measure(*axes, *more)
    found = measure(*(axis[::2, ::2, ::2] for axis in axes), *more)
    if isinstance(found, tuple):
        return tuple(_doubled(part, axes[0].shape) for part in found)
    return _doubled(found, axes[0].shape)


def _doubled(coarse: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Values of every other voxel, linearly between them; beyond the last they are repeated."""
    for axis, size in enumerate(shape):
        low = np.take(coarse, np.arange(size) // 2, axis)
        high = np.take(coarse, np.minimum((np.arange(size) + 1) // 2, coarse.shape[axis] - 1), axis)
        coarse = (low + high) * np.float32(0.5)
    return coarse


@dataclass(frozen=True)
class Cloud:
    """Balls at ``points`` (N, 3) in mm with ``radii`` (N,), of a rope or sheet, and what is joined to it."""

    points: np.ndarray
    radii: np.ndarray
    joined: tuple[Cloud, ...] = ()

    def __add__(self, other: Cloud) -> Cloud:
        return Cloud(self.points, self.radii, (*self.joined, other))

    def moved(self, turn: np.ndarray, shift: Sequence[float] | np.ndarray = (0, 0, 0)) -> Cloud:
        """Turned by a matrix (3, 3) about the origin, then shifted."""
        joined = tuple(part.moved(turn, shift) for part in self.joined)
        return Cloud(self.points @ np.asarray(turn).T + np.asarray(shift), self.radii, joined)

    def scaled(self, size: float) -> Cloud:
        """Points and radii times ``size``."""
        return Cloud(self.points * size, self.radii * size, tuple(part.scaled(size) for part in self.joined))

    def _reach(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest corner of all balls."""
        low, high = self.points.min(0) - self.radii.max(), self.points.max(0) + self.radii.max()
        for part in self.joined:
            other = part._reach()
            low, high = np.minimum(low, other[0]), np.maximum(high, other[1])
        return low, high

    def box(self, canvas: Canvas, reach: float) -> Box:
        """Index box that holds all within ``reach`` mm of the balls."""
        return canvas.box(*self._reach(), reach)

    def distance(self, canvas: Canvas, box: Box, reach: float = 6.0, coarse: bool = False) -> np.ndarray:
        """Signed distance of the union in ``box``, float32; what is further than ``reach`` is ``reach``.

        ``coarse`` is for stout shapes: they are measured at every other voxel where voxels are small.
        """
        if coarse:
            return coarsely(canvas, self._measure, box, reach)
        whole = np.full(canvas.x[box].shape, reach, np.float32)
        for part in (replace(self, joined=()), *self.joined):
            own = part.box(canvas, reach)
            both = [slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(box, own, strict=True)]
            if any(side.stop <= side.start for side in both):
                continue
            at = (both[0], both[1], both[2])
            k, j, i = (slice(a.start - b.start, a.stop - b.start) for a, b in zip(at, box, strict=True))
            place = whole[k, j, i]
            np.minimum(place, part._measure(canvas.x[at], canvas.y[at], canvas.z[at], reach), out=place)
        return whole

    def _measure(self, x: np.ndarray, y: np.ndarray, z: np.ndarray, reach: float) -> np.ndarray:
        place = np.stack([axis.ravel() for axis in (x, y, z)], axis=1)
        result = np.full(len(place), reach, np.float32)
        near = np.flatnonzero(self._near(place, reach))
        if len(near):
            tree = cKDTree(self.points)
            count = min(2, len(self.points))
            limit = float(self.radii.max()) + reach
            gap, which = tree.query(place[near], k=count, distance_upper_bound=limit)
            radii = np.append(self.radii, 0.0)[which]
            best = (gap - radii).reshape(len(near), -1).min(1)
            result[near] = np.minimum(best, reach)
        whole = result.reshape(x.shape)
        for part in self.joined:
            whole = np.minimum(whole, part._measure(x, y, z, reach))
        return np.asarray(whole)

    def _near(self, place: np.ndarray, reach: float) -> np.ndarray:
        """Points (M, 3) in cells that lie within reach of a ball; spares the tree most of the box."""
        margin = int(np.ceil((float(self.radii.max()) + reach) / _CELL)) + 1
        low = self.points.min(0) - margin * _CELL
        size = np.ceil((self.points.max(0) - low) / _CELL).astype(int) + margin + 1
        cells = np.zeros(size, bool)
        cells[tuple(((self.points - low) / _CELL).astype(int).T)] = True
        gap = ndimage.distance_transform_edt(~cells, sampling=_CELL)
        cells = gap <= self.radii.max() + reach + 1.75 * _CELL
        index = ((place - low.astype(np.float32)) / np.float32(_CELL)).astype(np.int32)
        inside = ((index >= 0) & (index < size)).all(1)
        index[~inside] = 0
        return np.asarray(cells[tuple(index.T)] & inside)


def rope(points: Sequence[Sequence[float]] | np.ndarray, step: float = 3.0) -> Cloud:
    """Cloud along a smooth curve through ``points`` (N, 4): x, y, z and radius in mm."""
    p = np.asarray(points, float)
    longest = float(np.linalg.norm(np.diff(p[:, :3], axis=0), axis=1).max())
    fine = smooth_path(p, max(2, int(np.ceil(longest / step))))
    return Cloud(fine[:, :3], np.maximum(fine[:, 3], 0.5))


def sheet(points: Sequence[Sequence[Sequence[float]]] | np.ndarray, step: float = 3.0) -> Cloud:
    """Cloud on a smooth surface through a net of ``points`` (M, N, 4): x, y, z and radius in mm."""
    p = np.asarray(points, float)
    for _ in range(2):
        lengths = np.linalg.norm(np.diff(p[..., :3], axis=0), axis=-1)
        longest = float(lengths.max())
        flat = smooth_path(p.reshape(len(p), -1), max(2, int(np.ceil(longest / step))))
        p = flat.reshape(len(flat), p.shape[1], 4).swapaxes(0, 1)
    flat = p.reshape(-1, 4)
    return Cloud(flat[:, :3], np.maximum(flat[:, 3], 0.5))
