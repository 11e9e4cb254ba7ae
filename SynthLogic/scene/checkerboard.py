"""A scan and its result as one grey image, in tiles by turns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from SynthLogic.errors import InputError
from SynthLogic.scene.atomic import all_or_nothing
from SynthLogic.scene.display import Window, window_for, window_of
from SynthLogic.scene.hierarchy import file_beside
from SynthLogic.scene.nodes import Node, Scene, add_displayed, unique_name
from SynthLogic.scene.provenance import ENDING, mark_synthetic, set_source
from SynthLogic.scene.results import check_present
from SynthLogic.scene.transforms import between, put_below
from SynthLogic.scene.volumes import PendingVolume, volume_of
from SynthLogic.volume import Grid


class Checkerboard:
    """A checkerboard of two volume nodes on one grid, filled slice by slice and added when complete.

    Each is shown as its own window shows it, so CT and MR meet in one grey scale of unsigned char.

    Args:
        scan: volume node; the first tile is its.
        result: volume node of a synthetic image on the same grid.
        tile: side of a tile in mm.

    Raises:
        InputError: not on the same grid, or one of them is no scalar volume.
        OutputError: not enough memory.
    """

    def __init__(self, scan: Node, result: Node, tile: float = 20.0) -> None:
        self._scan, self._result, self._tile = scan, result, tile
        self._first, self._second = volume_of(scan), volume_of(result)
        placed = Grid(self._second.shape, between(result, scan, "result") @ self._second.ijk_to_ras)
        if not self._first.grid.is_close(placed):
            raise InputError(
                "The two volumes lie on different grids; choose a result and the scan it was made from."
            )
        self._windows = (
            window_of(scan) or window_for(self._first.array),
            window_of(result) or window_for(self._second.array),
        )
        self._pending = PendingVolume(self._first.grid, np.uint8)

    @property
    def slices(self) -> int:
        """Number of slices to fill."""
        return self._first.shape[0]

    def fill(self, start: int, stop: int) -> None:
        """Fill slices ``start`` to ``stop`` (without it), counted along K."""
        self._pending.array[start:stop] = checkerboard(
            self._first.array[start:stop],
            self._second.array[start:stop],
            self._windows,
            self._first.spacing,
            self._tile,
            start,
        )

    def add_to(self, scene: Scene) -> Node:
        """Add the filled checkerboard beside the scan; return its volume node, marked as synthetic.

        Raises:
            InputError: the scan has left the scene.
        """
        check_present(scene, self._scan)
        name = f"{self._scan.GetName()} checkerboard"
        node = self._pending.make(scene, unique_name(scene, name, ENDING), like=self._scan)
        mark_synthetic(node, self._result.GetDescription() or "")
        set_source(node, self._scan)
        put_below(node, self._scan.GetParentTransformNode())
        with all_or_nothing(scene):
            add_displayed(scene, node, self._pending.make_display(scene, (255.0, 127.5)))
            file_beside(scene, node, self._scan)
        return node


def checkerboard(
    first: NDArray[Any],
    second: NDArray[Any],
    windows: tuple[Window, Window],
    spacing: tuple[float, float, float],
    tile: float,
    start: int = 0,
) -> NDArray[np.uint8]:
    """Return tiles of two images by turns, from 0 to 255 as their windows show them.

    Tiles are cubes, so each slice of any direction along the grid is a checkerboard.

    Args:
        first: (K, J, I); has the tile at voxel (0, 0, 0).
        second: (K, J, I).
        windows: (width, level) of each.
        spacing: of the voxels along (I, J, K) in mm.
        tile: side in mm; one of less than a voxel is a voxel along that axis.
        start: the slice of the whole image that ``first`` and ``second`` begin with.
    """
    if first.shape != second.shape:
        raise ValueError(f"images have the shapes {first.shape} and {second.shape}")
    if not tile > 0:
        raise ValueError(f"tile is {tile}; it must be positive")
    numbers = []
    for axis, (count, step) in enumerate(zip(first.shape, spacing[::-1], strict=True)):
        offset = start if axis == 0 else 0
        numbers.append(np.floor((np.arange(count) + offset + 0.5) * step / max(tile, step)).astype(int) & 1)
    result = np.empty(first.shape, np.uint8)
    for k, number in enumerate(numbers[0]):
        odd = (number + numbers[1][:, None] + numbers[2][None, :]) & 1
        result[k] = np.where(odd, _grey(second[k], windows[1]), _grey(first[k], windows[0]))
    return result


def _grey(values: NDArray[Any], window: Window) -> NDArray[np.uint8]:
    width, level = window
    share = (values.astype(np.float32) - np.float32(level - width / 2)) * np.float32(255 / width)
    return np.rint(np.clip(np.nan_to_num(share, nan=0.0), 0, 255)).astype(np.uint8)
