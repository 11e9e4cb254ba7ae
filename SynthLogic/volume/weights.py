"""One-dimensional interpolation and smoothing as sparse matrices."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

SNAP = 1e-4
"""Positions this near to a voxel centre (in voxels) are taken as that centre: files round their matrices."""


def antialias_sigma(ratio: float) -> float:
    """Width in source voxels of the Gaussian that goes before taking every ``ratio``-th voxel; 0 if none.

    The full widths at half maximum of the two voxel sizes, taken as point spread functions, are matched:
    Cardoso et al., Scale factor point spread function matching, MICCAI 2015, equation 4.
    """
    if ratio <= 1 + 1e-6:
        return 0.0
    return math.sqrt(ratio * ratio - 1) / (2 * math.sqrt(2 * math.log(2)))


def interpolation(count: int, positions: NDArray[np.float64], order: int) -> sparse.csr_matrix:
    """Return the (len(positions), count) matrix that samples ``count`` voxels at fractional ``positions``.

    ``order`` 0 takes the nearest voxel (halves go up), 1 interpolates linearly; past the first and last
    centre their value is continued.
    """
    nearest = np.rint(positions)
    x = np.where(np.abs(positions - nearest) < SNAP, nearest, positions)
    if order == 0:
        x = np.floor(x + 0.5)
    x = np.clip(x, 0, count - 1)
    low = np.minimum(np.floor(x).astype(np.int64), max(count - 2, 0))
    high = np.minimum(low + 1, count - 1)
    part = x - low
    rows = np.arange(len(x))
    entries = (np.r_[1 - part, part], (np.r_[rows, rows], np.r_[low, high]))
    matrix = sparse.coo_matrix(entries, shape=(len(x), count)).tocsr()
    matrix.eliminate_zeros()
    return matrix


def gaussian(count: int, sigma: float) -> sparse.csr_matrix:
    """Return the (count, count) matrix of a Gaussian cut at 4 sigma; edge values are continued outwards."""
    radius = max(1, math.ceil(4 * sigma))
    steps = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (steps / sigma) ** 2)
    kernel /= kernel.sum()
    rows = np.repeat(np.arange(count), len(steps))
    columns = np.clip(np.arange(count)[:, None] + steps, 0, count - 1).ravel()
    return sparse.coo_matrix((np.tile(kernel, count), (rows, columns)), shape=(count, count)).tocsr()


def inside(count: int, positions: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which positions lie in the field of view, that reaches half a voxel past the outer centres."""
    return (positions >= -0.5 - SNAP) & (positions <= count - 0.5 + SNAP)
