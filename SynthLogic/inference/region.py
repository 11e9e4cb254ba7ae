"""Run a network on a part of a scan: what it must see so that the part comes out as in the whole."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from SynthLogic.bundles import Plane, Spatial
from SynthLogic.errors import InputError
from SynthLogic.inference.planes import STACK_AXIS
from SynthLogic.volume import Grid

Box = tuple[slice, slice, slice]
WHOLE: Box = (slice(None), slice(None), slice(None))
_MARGIN = 16


def checked_region(region: NDArray[Any], shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    """``region`` as booleans (K, J, I), True inside.

    Raises:
        InputError: another shape than the scan's, or nothing inside.
    """
    if region.shape != shape:
        raise InputError(
            "The region does not have the voxels of the scan; draw it on the scan or resample it there."
        )
    inside = region != 0
    if not inside.any():
        raise InputError("The region is empty; mark the part of the scan that is to be translated.")
    return inside


def windows(
    region: NDArray[np.bool_], canonical: Grid, grid: Grid, spatial: Spatial, planes: tuple[Plane, ...]
) -> tuple[Box, ...]:
    """The part of the working grid to run, for each plane, or the only one of a 3D network.

    Normalisation in a network sees everything it is fed. So a network that was trained on whole slices gets
    whole slices, only fewer; one with tiles gets the region with 16 voxels around it, at least one tile.

    Args:
        region: (K, J, I) on ``canonical``, not empty.
        canonical: the scan's grid in canonical order.
        grid: the working grid, with the same axes and centre.
        spatial: of the card.
        planes: that run; none for a 3D network.
    """
    box = [_extent(region, axis, canonical, grid) for axis in range(3)]
    resampled = [abs(a / b - 1) > 1e-6 for a, b in zip(canonical.spacing, grid.spacing, strict=True)][::-1]
    result = []
    stacks: list[int | None] = [STACK_AXIS[plane] for plane in planes]
    for stack in stacks or [None]:
        inside = [axis for axis in range(3) if axis != stack]
        least = dict(zip(inside, spatial.tile or [grid.shape[axis] for axis in inside], strict=True))
        slices = []
        for axis, (start, stop) in enumerate(box):
            margin = _MARGIN if axis in inside or resampled[axis] else spatial.neighbours
            size = min(grid.shape[axis], max(stop - start + 2 * margin, least.get(axis, 0)))
            first = min(max(0, (start + stop - size) // 2), grid.shape[axis] - size)
            slices.append(slice(first, first + size))
        result.append((slices[0], slices[1], slices[2]))
    return tuple(result)


def _extent(region: NDArray[np.bool_], axis: int, canonical: Grid, grid: Grid) -> tuple[int, int]:
    """First voxel of ``grid`` along ``axis`` (of K, J, I) that the region touches, and the one after it."""
    hit = np.flatnonzero(region.any(axis=tuple(a for a in range(3) if a != axis)))
    scale = canonical.spacing[2 - axis] / grid.spacing[2 - axis]
    size = grid.shape[axis]
    low, high = ((edge - canonical.shape[axis] / 2) * scale + size / 2 for edge in (hit[0], hit[-1] + 1))
    return max(0, math.floor(low + 1e-6)), min(size, math.ceil(high - 1e-6))


__all__ = ["WHOLE", "Box", "checked_region", "windows"]
