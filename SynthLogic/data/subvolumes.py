"""Cubes for networks in three dimensions: where they lie in a volume, drawn and cut.

Axes stay the patient's: a cube is turned about its first axis alone, since people are scanned lying down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

from SynthLogic.data.config import SamplingConfig
from SynthLogic.data.library import Stack


@dataclass(frozen=True)
class CubePlacement:
    """A cube within a volume.

    Attributes:
        spacing: voxel size in mm, the same along all axes.
        angle: about the first axis, in radians.
        centre: (K, J, I) in voxels of the volume.
        mirrored: left and right exchanged.
    """

    spacing: float
    angle: float
    centre: tuple[float, float, float]
    mirrored: bool


def draw_cube(stack: Stack, sampling: SamplingConfig, rng: np.random.Generator) -> CubePlacement:
    """Draw size of voxels, rotation and position; the middle lies in a slice that shows enough body."""
    low, high = np.log(sampling.spacing_range_mm)
    spacing = float(np.exp(rng.uniform(low, high)))
    angle = math.radians(float(rng.uniform(-sampling.rotation_deg, sampling.rotation_deg)))
    side_mm, by_axis = sampling.patch * spacing, stack.spacing[::-1]
    centre = []
    for axis, (size, voxel) in enumerate(zip(stack.image.shape, by_axis, strict=True)):
        extent = size * voxel
        room, middle = sampling.slack * min(side_mm, extent), (size - 1) / 2
        if stack.middle is None:
            room += max(extent - side_mm, 0) / 2
        else:
            middle = stack.middle[axis]
        centre.append(middle + float(rng.uniform(-room, room)) / voxel)
    slices = stack.slices.get("axial")
    if slices is not None:
        nearest = float(slices[np.abs(slices - centre[0]).argmin()])
        if abs(nearest - centre[0]) > 0.5:
            centre[0] = nearest
    return CubePlacement(
        spacing, angle, (centre[0], centre[1], centre[2]), bool(rng.random() < sampling.flip)
    )


def cut_cube(stack: Stack, placement: CubePlacement, patch: int) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate the cube out of the volume; trilinear, low-passed first where it shrinks.

    Returns:
        Image and target, each (1, patch, patch, patch) float32 in [-1, 1], axes K, J, I; -1 outside the
        volume.
    """
    arrays = [stack.image] if stack.target is stack.image else [stack.image, stack.target]
    ratios = [placement.spacing / voxel for voxel in stack.spacing[::-1]]
    sigma = [0.5 * math.sqrt(max(r * r - 1, 0)) if r > 1.25 else 0.0 for r in ratios]
    found = [_read(array, stack, placement, patch, "bilinear", -1, sigma)[None] for array in arrays]
    return found[0], found[-1]


def cut_cube_labels(stack: Stack, placement: CubePlacement, patch: int) -> np.ndarray | None:
    """The labels of the same cube, nearest neighbour: (patch, patch, patch) uint8, 0 beyond the volume.

    None where the volume has no label map.
    """
    if stack.labels is None:
        return None
    return _read(stack.labels, stack, placement, patch, "nearest", 0).round().astype(np.uint8)


def _read(
    array: np.ndarray,
    stack: Stack,
    placement: CubePlacement,
    patch: int,
    mode: str,
    outside: float,
    sigma: list[float] | None = None,
) -> np.ndarray:
    places = _places(stack, placement, patch)
    # A whole volume in float32 would be read for each small cube.
    margin = 2 + math.ceil(3 * max(sigma or [0]))
    low = [max(0, math.floor(p.min()) - margin) for p in places]
    high = [min(n, math.ceil(p.max()) + margin + 1) for p, n in zip(places, array.shape, strict=True)]
    if any(last <= first for first, last in zip(low, high, strict=True)):
        return np.full((patch,) * 3, outside, np.float32)
    part = array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))].astype(np.float32)
    if sigma and any(sigma):
        part = ndimage.gaussian_filter(part, sigma, mode="nearest", truncate=3)
    grid = [
        2 * (place - first + 0.5) / size - 1
        for place, first, size in zip(places, low, part.shape, strict=True)
    ]
    where = torch.from_numpy(np.stack(grid[::-1], -1).astype(np.float32))[None]
    moved = functional.grid_sample(
        torch.from_numpy(part - np.float32(outside))[None, None], where, mode=mode, align_corners=False
    )
    return moved[0, 0].numpy() + np.float32(outside)


def _places(stack: Stack, placement: CubePlacement, patch: int) -> list[np.ndarray]:
    """Voxel coordinates (K, J, I) of the cube's voxels, three arrays (patch, patch, patch)."""
    steps = (np.arange(patch) - (patch - 1) / 2) * placement.spacing
    k, j, i = np.meshgrid(steps, steps, -steps if placement.mirrored else steps, indexing="ij")
    cosine, sine = math.cos(placement.angle), math.sin(placement.angle)
    turned = (k, sine * i + cosine * j, cosine * i - sine * j)
    return [
        middle + offset / voxel
        for middle, offset, voxel in zip(placement.centre, turned, stack.spacing[::-1], strict=True)
    ]
