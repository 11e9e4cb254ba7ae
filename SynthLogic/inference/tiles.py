"""Overlapping tiles with Gaussian blending, in two or three dimensions."""

from __future__ import annotations

from itertools import product

import numpy as np
from torch import Tensor


def tile_starts(size: int, tile: int, overlap: float) -> list[int]:
    """First voxels of tiles that cover ``size`` voxels; neighbours share at least ``overlap`` of a tile.

    The tiles are spread evenly and the last ends exactly at the border. ``tile`` must not exceed ``size``.
    """
    if tile >= size:
        return [0]
    step = max(1, int(tile * (1 - overlap)))
    count = -(-(size - tile) // step) + 1
    return [round(index * (size - tile) / (count - 1)) for index in range(count)]


def blending_weights(tile: int) -> np.ndarray:
    """Weights along one axis of a tile: Gaussian, sigma tile / 8 (nnU-Net, Isensee 2021), at least 1e-3."""
    distance = (np.arange(tile) - (tile - 1) / 2) / (tile / 8)
    return np.maximum(np.exp(-0.5 * distance**2), 1e-3).astype(np.float32)


class Stitcher:
    """Blends tiles into one float32 array of ``shape`` on the CPU.

    The weight of a tile is the product of one-dimensional weights and the tiles stand on a grid, so the sum
    of weights is a product as well: no second volume is needed to normalise. ``channels`` goes before the
    shape of tiles and result.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        tile: tuple[int, ...],
        overlap: float,
        channels: tuple[int, ...] = (),
    ) -> None:
        self.shape = shape
        self.tile = tuple(min(size, extent) for size, extent in zip(tile, shape, strict=True))
        starts = [tile_starts(n, t, overlap) for n, t in zip(shape, self.tile, strict=True)]
        self._profiles = [blending_weights(size) for size in self.tile]
        self._sums = []
        for extent, profile, axis_starts in zip(shape, self._profiles, starts, strict=True):
            total = np.zeros(extent, np.float32)
            for start in axis_starts:
                total[start : start + len(profile)] += profile
            self._sums.append(total)
        self.windows = [
            tuple(slice(s, s + t) for s, t in zip(corner, self.tile, strict=True))
            for corner in product(*starts)
        ]
        self._array = np.zeros((*channels, *shape), np.float32)

    def add(self, window: tuple[slice, ...], values: np.ndarray) -> None:
        """Add one tile's ``values``, of the shape of ``window`` behind the channels."""
        self._array[all_channels(self._array, window)] += _scaled(values, self._profiles)

    def result(self) -> np.ndarray:
        """The blended array; call it once, after all windows were added."""
        for axis, total in enumerate(self._sums):
            self._array /= _along(total, axis, len(self.shape))
        return self._array


def all_channels(array: np.ndarray | Tensor, window: tuple[slice, ...]) -> tuple[slice, ...]:
    """The index of a window of the last axes of ``array``, whatever channels come before."""
    return (slice(None),) * (array.ndim - len(window)) + window


def _along(values: np.ndarray, axis: int, dims: int) -> np.ndarray:
    return values.reshape([-1 if a == axis else 1 for a in range(dims)])


def _scaled(values: np.ndarray, profiles: list[np.ndarray]) -> np.ndarray:
    result = values.astype(np.float32)
    for axis, profile in enumerate(profiles):
        result *= _along(profile, axis, len(profiles))
    return result


__all__ = ["Stitcher", "all_channels", "blending_weights", "tile_starts"]
