"""Where a patch lies in a volume, drawn and cut: one affine interpolation for image and target alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

from SynthLogic.data.config import Plane, SamplingConfig
from SynthLogic.data.library import PLANE_AXIS, Library, Stack


@dataclass(frozen=True)
class Keep:
    """A small field of view: outside, the patch is background. All numbers in pixels of the patch."""

    shape: Literal["disc", "box"]
    centre: tuple[float, float]
    radius: tuple[float, float]


@dataclass(frozen=True)
class Placement:
    """A patch within a volume.

    Attributes:
        plane: how the volume is cut.
        index: which slice.
        spacing: pixel size of the patch in mm.
        angle: rotation in radians.
        centre: of the patch, (row, column) in mm from the middle of the slice.
        mirrored: left and right exchanged.
        keep: small field of view, or None.
        shear: tangent of the angle.
    """

    plane: Plane
    index: int
    spacing: float
    angle: float
    centre: tuple[float, float]
    mirrored: bool
    keep: Keep | None
    shear: float = 0.0


def draw_stack(library: Library, rng: np.random.Generator) -> Stack:
    """Draw a source by weight, then one of its volumes."""
    stacks = library.of_source(int(rng.choice(len(library.weights), p=library.weights)))
    return stacks[int(rng.integers(len(stacks)))]


def draw_placement(stack: Stack, sampling: SamplingConfig, rng: np.random.Generator) -> Placement:
    """Draw plane, slice, pixel size, rotation, position and field of view."""
    planes = list(stack.slices)
    weights = np.array([sampling.planes[p] for p in planes])
    plane = planes[int(rng.choice(len(planes), p=weights / weights.sum()))]
    index = int(rng.choice(stack.slices[plane]))
    low, high = np.log(sampling.spacing_range_mm)
    spacing = float(np.exp(rng.uniform(low, high)))
    angle = math.radians(float(rng.uniform(-sampling.rotation_deg, sampling.rotation_deg)))
    patch_mm = sampling.patch * spacing
    shape, pixel = _slice_geometry(stack, plane)
    extents = [n * s for n, s in zip(shape, pixel, strict=True)]
    slack = [sampling.slack * min(patch_mm, extent) for extent in extents]
    if stack.middle is None:
        room = [abs(extent - patch_mm) / 2 + extra for extent, extra in zip(extents, slack, strict=True)]
        row, column = 0.0, 0.0
    else:
        room = slack
        row, column = (
            (stack.middle[axis] - (size - 1) / 2) * voxel
            for axis, size, voxel in zip(_axes(plane), shape, pixel, strict=True)
        )
    centre = (row + float(rng.uniform(-room[0], room[0])), column + float(rng.uniform(-room[1], room[1])))
    # A sagittal slice has no left and right to exchange.
    mirrored = bool(rng.random() < sampling.flip) and plane != "sagittal"
    keep = _draw_keep(sampling.patch, rng) if rng.random() < sampling.field_of_view else None
    # Drawn only where asked for, so that recipes without it see what they have always seen.
    shear = float(rng.uniform(-sampling.shear, sampling.shear)) if sampling.shear else 0.0
    return Placement(plane, index, spacing, angle, centre, mirrored, keep, shear)


def cut(stack: Stack, placement: Placement, patch: int, neighbours: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate the patch out of the volume; bilinear, low-passed first where it shrinks.

    Returns:
        Image and target, each (1 + 2 neighbours, patch, patch) float32 in [-1, 1], rows along K or J, columns
        along J or I; -1 outside the volume.
    """
    axis = PLANE_AXIS[placement.plane]
    shape, pixel = _slice_geometry(stack, placement.plane)
    arrays = [stack.image] if stack.target is stack.image else [stack.image, stack.target]
    indices = placement.index + np.arange(-neighbours, neighbours + 1)
    indices = indices.clip(0, stack.image.shape[axis] - 1)
    slices = np.concatenate([np.moveaxis(np.take(a, indices, axis=axis), axis, 0) for a in arrays])
    slices = slices.astype(np.float32)
    ratios = [placement.spacing / s for s in pixel]
    if max(ratios) > 1.25:
        sigma = [0.5 * math.sqrt(max(r * r - 1, 0)) for r in ratios]
        slices = ndimage.gaussian_filter(slices, [0, *sigma], mode="nearest", truncate=3)
    where = _where(shape, pixel, placement, patch)
    # Padding is 0, so air is moved there and back.
    moved = functional.grid_sample(torch.from_numpy(slices + 1)[None], where, align_corners=False)
    patches = moved[0].numpy() - 1
    return patches[: len(indices)], patches[-len(indices) :]


def cut_labels(stack: Stack, placement: Placement, patch: int) -> np.ndarray | None:
    """The labels of the middle slice of the same patch, nearest neighbour: (patch, patch) uint8, 0 beyond it.

    None where the volume has no label map.
    """
    if stack.labels is None:
        return None
    shape, pixel = _slice_geometry(stack, placement.plane)
    labels = np.take(stack.labels, placement.index, axis=PLANE_AXIS[placement.plane])
    moved = functional.grid_sample(
        torch.from_numpy(labels.astype(np.float32))[None, None],
        _where(shape, pixel, placement, patch),
        mode="nearest",
        align_corners=False,
    )
    result: np.ndarray = moved[0, 0].numpy().round().astype(np.uint8)
    if placement.keep is not None:
        result[~_mask(placement.keep, patch)] = 0
    return result


def _where(
    shape: tuple[int, int], pixel: tuple[float, float], placement: Placement, patch: int
) -> torch.Tensor:
    """Sampling grid (1, patch, patch, 2) of ``grid_sample`` for a slice of ``shape``."""
    half_patch = patch * placement.spacing / 2
    half_row, half_column = (n * s / 2 for n, s in zip(shape, pixel, strict=True))
    cosine, sine = math.cos(placement.angle) * half_patch, math.sin(placement.angle) * half_patch
    mirror = -1 if placement.mirrored else 1
    across, down = placement.shear * cosine - sine, placement.shear * sine + cosine
    theta = torch.tensor(
        [
            [mirror * cosine / half_column, across / half_column, placement.centre[1] / half_column],
            [mirror * sine / half_row, down / half_row, placement.centre[0] / half_row],
        ]
    )
    return functional.affine_grid(theta[None], [1, 1, patch, patch], align_corners=False)


def blank(image: np.ndarray, placement: Placement) -> np.ndarray:
    """Set what lies outside a small field of view to background, in place; image is (.., patch, patch)."""
    if placement.keep is not None:
        image[..., ~_mask(placement.keep, image.shape[-1])] = -1
    return image


def _slice_geometry(stack: Stack, plane: Plane) -> tuple[tuple[int, int], tuple[float, float]]:
    """Shape and pixel size of a slice, (row, column)."""
    rows, columns = _axes(plane)
    by_axis = stack.spacing[::-1]
    return (stack.image.shape[rows], stack.image.shape[columns]), (by_axis[rows], by_axis[columns])


def _axes(plane: Plane) -> tuple[int, int]:
    """Axes of a volume along a slice's rows and columns."""
    rows, columns = (axis for axis in range(3) if axis != PLANE_AXIS[plane])
    return rows, columns


def _draw_keep(patch: int, rng: np.random.Generator) -> Keep:
    shape: Literal["disc", "box"] = "disc" if rng.random() < 0.5 else "box"
    row, column = (patch / 2 + rng.uniform(-0.1, 0.1, 2) * patch).tolist()
    height, width = (rng.uniform(0.3, 0.5, 2) * patch).tolist()
    return Keep(shape, (row, column), (height, height if shape == "disc" else width))


def _mask(keep: Keep, patch: int) -> np.ndarray:
    pixels = np.arange(patch, dtype=np.float32) + 0.5
    row = np.abs(pixels - keep.centre[0])[:, None] / keep.radius[0]
    column = np.abs(pixels - keep.centre[1])[None, :] / keep.radius[1]
    return (row**2 + column**2 <= 1) if keep.shape == "disc" else np.maximum(row, column) <= 1
