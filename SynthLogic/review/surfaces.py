"""How far the surfaces of two label maps lie apart, in mm."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from SynthLogic.errors import ConfigError


def surface_distances(
    output: ArrayLike, reference: ArrayLike, spacing: tuple[float, float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distances in mm from each surface voxel of one mask to the other's surface, both ways.

    The surface is what an erosion by one voxel (6 neighbours) takes off; distances are between the centres of
    voxels, with the spacing of each axis.

    Args:
        output: boolean (K, J, I).
        reference: the same shape.
        spacing: (I, J, K) in mm; the axes at right angles.

    Returns:
        (output to reference, reference to output); both empty where a mask is.

    Raises:
        ConfigError: shapes that differ.
    """
    a, b = np.asarray(output, bool), np.asarray(reference, bool)
    if a.shape != b.shape or a.ndim != 3:
        raise ConfigError(f"Surfaces need two masks of one shape (K, J, I); these have {a.shape}, {b.shape}.")
    if not (a.any() and b.any()):
        return np.empty(0), np.empty(0)
    box = ndimage.find_objects((a | b).astype(np.uint8))[0]
    a, b = (np.pad(mask[box], 1) for mask in (a, b))
    surfaces = [mask & ~ndimage.binary_erosion(mask) for mask in (a, b)]
    away: list[NDArray[Any]] = [
        ndimage.distance_transform_edt(~surface, sampling=spacing[::-1]) for surface in surfaces
    ]
    return away[1][surfaces[0]], away[0][surfaces[1]]


def average_surface_distance(
    output: ArrayLike, reference: ArrayLike, spacing: tuple[float, float, float]
) -> float:
    """Average symmetric surface distance in mm: the mean over both surfaces' voxels (Heimann et al. 2009).

    Not a number where a mask is empty. Arguments as in `surface_distances`.
    """
    return assd_of(surface_distances(output, reference, spacing))


def hausdorff_95(output: ArrayLike, reference: ArrayLike, spacing: tuple[float, float, float]) -> float:
    """The larger of both ways' 95th percentiles of surface distance in mm (Huttenlocher 1993, robust form).

    Not a number where a mask is empty. Arguments as in `surface_distances`.
    """
    return hd95_of(surface_distances(output, reference, spacing))


def assd_of(distances: tuple[NDArray[np.float64], NDArray[np.float64]]) -> float:
    """Average symmetric surface distance of what `surface_distances` returned."""
    both = np.concatenate(distances)
    return float(both.mean()) if both.size else math.nan


def hd95_of(distances: tuple[NDArray[np.float64], NDArray[np.float64]]) -> float:
    """95 % Hausdorff distance of what `surface_distances` returned."""
    return max((float(np.percentile(d, 95)) if d.size else math.nan) for d in distances)


__all__ = ["assd_of", "average_surface_distance", "hausdorff_95", "hd95_of", "surface_distances"]
