"""Linear interpolation of stacks as sparse matrices: of images, and of labels by their shares of a pixel."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from SynthLogic.hearts.labels import HeartLabel

_ROUNDING = 1e6
"""Positions are rounded to this part of a voxel: 48 storages of one stack differ by rounding errors."""
_SLAB_VOXELS = 250_000
_FLAT, _DRIFT = 1e-6, 1e-3
_TIE = 1e-5

FloatArray = NDArray[np.float64]
LABELS = tuple(label for label in HeartLabel if label)


def sample_image(
    array: NDArray[np.floating], index_map: FloatArray, shape: tuple[int, int, int], background: float = 0.0
) -> NDArray[np.float32]:
    """Return an image's values on another grid.

    Args:
        array: (K, J, I).
        index_map: 4x4, from the target's (i, j, k, 1) to the array's.
        shape: of the target, (K, J, I).
        background: value further than half a voxel outside.
    """
    values, covered = _sample(np.asarray(array, np.float32)[None], index_map, shape)
    return np.where(covered, values[0], np.float32(background))


def sample_labels(
    labels: NDArray[np.uint8], index_map: FloatArray, shape: tuple[int, int, int]
) -> NDArray[np.uint8]:
    """Return labels on another grid: each voxel takes the label with the largest share of it.

    Arguments as in ``sample_image``; outside lies background.
    """
    result = np.zeros(shape, np.uint8)
    present = [label for label in LABELS if (labels == label).any()]
    if not present:
        return result
    shares, _ = _sample(np.stack([labels == label for label in present]).astype(np.float32), index_map, shape)
    # Ties go to the background, then to the lower label; rounding must not decide.
    most = 1 - shares.sum(axis=0) + _TIE
    for share, label in zip(shares, present, strict=True):
        result[share > most] = label
        np.maximum(most, share + _TIE, out=most)
    return result


def _sample(
    array: NDArray[np.float32], index_map: FloatArray, shape: tuple[int, int, int]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Values (channels, K, J, I) on the target, and which of its voxels lie inside the array."""
    stacked = _shared_slices(index_map)
    if stacked is None:
        return _sample_volume(array, index_map, shape)
    row, column = stacked
    # Slices first, in both; the two other axes stay in their order.
    array = np.moveaxis(array, 3 - row, 1)
    others_in, others_out = [n for n in (2, 1, 0) if n != row], [n for n in (2, 1, 0) if n != column]
    counts = (shape[2 - others_out[0]], shape[2 - others_out[1]])
    slices = np.rint(index_map[row, column] * np.arange(shape[2 - column]) + index_map[row, 3]).astype(int)
    result = np.zeros((len(array), len(slices), *counts), np.float32)
    covered = np.zeros(result.shape[1:], bool)
    plane_map = index_map[np.ix_(others_in, others_out)]
    drift, offset = index_map[others_in, column], index_map[others_in, 3]
    found = np.flatnonzero((slices >= 0) & (slices < array.shape[1]))
    # Slices of a sheared stack are displaced against each other: those need a matrix each.
    straight = np.abs(drift).max() * len(slices) < _DRIFT
    for group in [found] if straight and len(found) else np.split(found, len(found)) if len(found) else []:
        matrix, inside = _matrix(array.shape[2:], plane_map, offset + drift * group[0], counts)
        planes = array[:, slices[group]].reshape(-1, matrix.shape[1])
        values = np.asarray(matrix @ np.ascontiguousarray(planes.T)).T
        result[:, group] = values.reshape(len(array), len(group), *counts)
        covered[group] = inside.reshape(counts)
    return np.moveaxis(result, 1, 3 - column), np.moveaxis(covered, 0, 2 - column)


def _shared_slices(index_map: FloatArray) -> tuple[int, int] | None:
    """The array's and the target's axis (of i, j, k) whose slices coincide, or None."""
    for row in range(3):
        for column in range(3):
            line = index_map[row, :3]
            rest = np.delete(line, column)
            if (
                abs(abs(line[column]) - 1) < _FLAT
                and np.abs(rest).max() < _FLAT
                and abs(index_map[row, 3] - np.rint(index_map[row, 3])) < 1e-4
            ):
                return row, column
    return None


def _sample_volume(
    array: NDArray[np.float32], index_map: FloatArray, shape: tuple[int, int, int]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Through any affine, in slabs of the target."""
    linear, offset = index_map[2::-1, 2::-1], index_map[2::-1, 3]
    flat = np.ascontiguousarray(array.reshape(len(array), -1).T)
    result = np.zeros((len(array), *shape), np.float32)
    covered = np.zeros(shape, bool)
    thickness = max(1, _SLAB_VOXELS // (shape[1] * shape[2]))
    for start in range(0, shape[0], thickness):
        slab = (min(thickness, shape[0] - start), *shape[1:])
        matrix, inside = _matrix(array.shape[1:], linear, offset + linear[:, 0] * start, slab)
        result[:, start : start + slab[0]] = np.asarray(matrix @ flat).T.reshape(len(array), *slab)
        covered[start : start + slab[0]] = inside.reshape(slab)
    return result, covered


def _matrix(
    counts_in: tuple[int, ...],
    linear: FloatArray,
    offset: FloatArray,
    counts_out: tuple[int, ...],
) -> tuple[sparse.csr_matrix, NDArray[np.bool_]]:
    """Matrix (targets, voxels) that interpolates at ``linear @ target + offset``; which targets are inside.

    All axes in the order of the arrays. Half a voxel beyond the outer centres their value is continued;
    rows further out are empty.
    """
    steps = np.indices(counts_out).reshape(len(counts_out), -1)
    positions = np.rint((linear @ steps + offset[:, None]) * _ROUNDING) / _ROUNDING
    limit = np.asarray(counts_in)[:, None] - 0.5
    inside: NDArray[np.bool_] = np.asarray(((positions >= -0.5) & (positions <= limit)).all(axis=0))
    rows = np.flatnonzero(inside)
    positions = np.clip(positions[:, rows], 0, limit - 0.5)
    low = np.floor(positions).astype(np.int64)
    part = positions - low
    data, columns = [], []
    for corner in product((0, 1), repeat=len(counts_in)):
        at = np.minimum(low + np.asarray(corner)[:, None], np.asarray(counts_in)[:, None] - 1)
        weight = np.ones(len(rows))
        for n, high in enumerate(corner):
            weight = weight * (part[n] if high else 1 - part[n])
        data.append(weight)
        columns.append(np.ravel_multi_index(tuple(at), counts_in))
    return sparse.csr_matrix(
        (
            np.stack(data, axis=1).ravel().astype(np.float32),
            np.stack(columns, axis=1).ravel(),
            np.concatenate([[0], np.cumsum(inside * len(data))]),
        ),
        shape=(inside.size, int(np.prod(counts_in))),
    ), inside
