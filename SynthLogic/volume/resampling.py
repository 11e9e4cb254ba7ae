"""Resampling onto any grid: separable, slice by slice where the axes agree, through SimpleITK elsewhere."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import DTypeLike, NDArray
from scipy import sparse

from SynthLogic.volume.grid import FloatArray, Grid
from SynthLogic.volume.volume import Volume
from SynthLogic.volume.weights import antialias_sigma, gaussian, inside, interpolation

_ALIGNED = 1e-3
_SLAB_VOXELS = 16_000_000

Matrices = tuple[sparse.csr_matrix, sparse.csr_matrix, sparse.csr_matrix]


def resample(
    volume: Volume, grid: Grid, *, order: int = 1, background: float = 0.0, dtype: DTypeLike | None = None
) -> Volume:
    """Return the volume's values at the voxel centres of ``grid``.

    Where the new voxels are larger, a Gaussian (see ``weights.antialias_sigma``) goes first along that
    axis. A voxel fills half a spacing on each side of its centre: up to there the border value is
    continued, further out lies ``background``. Onto its own grid a volume comes back unchanged, without
    a copy. Needs about the memory of the result besides its own slices.

    Args:
        volume: any orientation, handedness or shear.
        grid: where to.
        order: 0 nearest neighbour without smoothing (labels), 1 linear.
        background: value outside the volume's field of view, in its units.
        dtype: of the result, the volume's own by default; to integers values are rounded half to even
            and clipped to the type's range.
    """
    if order not in (0, 1):
        raise ValueError(f"order is {order}; it must be 0 (nearest) or 1 (linear)")
    target = np.dtype(volume.array.dtype if dtype is None else dtype)
    if volume.grid.is_close(grid):
        array = volume.array if volume.array.dtype == target else _converted(volume.array, target)
        return Volume(array, grid.ijk_to_ras)
    index_map = np.linalg.inv(volume.ijk_to_ras) @ grid.ijk_to_ras
    source_axes = _source_axes(index_map[:3, :3])
    # Rows of the map in the order of the target's axes, and the array's axes to match.
    index_map = index_map[[*source_axes, 3]]
    array = volume.array.transpose([2 - source_axes[n] for n in (2, 1, 0)])
    off_axis = index_map[:3, :3] - np.diag(np.diag(index_map[:3, :3]))
    aligned = np.abs(off_axis * (np.asarray(grid.shape[::-1]) - 1)).max() < _ALIGNED
    run = _aligned if aligned else _general
    return Volume(run(array, grid.shape, index_map, order, background, target), grid.ijk_to_ras)


def _source_axes(linear: FloatArray) -> tuple[int, int, int]:
    """For the target's I, J and K: the source axis that runs most nearly along it."""
    cosines = np.abs(linear) / np.linalg.norm(linear, axis=1, keepdims=True)
    best = max(
        permutations(range(3)), key=lambda axes: round(sum(cosines[s, t] for t, s in enumerate(axes)), 6)
    )
    return best[0], best[1], best[2]


def _aligned(
    array: NDArray[Any],
    shape: tuple[int, int, int],
    index_map: FloatArray,
    order: int,
    background: float,
    target: np.dtype,
) -> NDArray[Any]:
    """Resample where every target axis runs along one source axis; all in the target's axis order."""
    matrices, masks = [], []
    for axis in range(3):
        n = 2 - axis
        positions = index_map[n, n] * np.arange(shape[axis]) + index_map[n, 3]
        matrix = interpolation(array.shape[axis], positions, order)
        sigma = antialias_sigma(abs(index_map[n, n])) if order else 0.0
        if sigma:
            matrix = (matrix @ gaussian(array.shape[axis], sigma)).tocsr()
        matrices.append(matrix)
        masks.append(inside(array.shape[axis], positions))
    result = np.empty(shape, target)
    _separable(array, (matrices[0], matrices[1], matrices[2]), result)
    for axis, mask in enumerate(masks):
        if not mask.all():
            result[(slice(None),) * axis + (~mask,)] = _converted(np.array([background], np.float64), target)[
                0
            ]
    return result


def _separable(array: NDArray[Any], matrices: Matrices, result: NDArray[Any]) -> None:
    """Fill ``result`` (K, J, I) with the matrices applied along K, J and I, one slice at a time."""
    work = _working_type(array.dtype)
    along_k, along_j, along_i = (m.astype(work) for m in matrices)
    plane_first = result.shape[1] * result.shape[2] <= array.shape[1] * array.shape[2]

    def in_plane(plane: NDArray[Any]) -> NDArray[Any]:
        return _along_rows(_along_rows(plane, along_j).T, along_i).T

    last_use = np.full(array.shape[0], -1)
    for k in range(result.shape[0]):
        last_use[along_k.indices[along_k.indptr[k] : along_k.indptr[k + 1]]] = k
    ready: dict[int, NDArray[Any]] = {}
    for k in range(result.shape[0]):
        span = slice(along_k.indptr[k], along_k.indptr[k + 1])
        total: NDArray[Any] | None = None
        for source, weight in zip(along_k.indices[span].tolist(), along_k.data[span], strict=True):
            if source not in ready:
                plane = np.ascontiguousarray(array[source], dtype=work)
                ready[source] = in_plane(plane) if plane_first else plane
            part = ready[source] if weight == 1 else ready[source] * weight
            total = part if total is None else total + part
            if last_use[source] == k:
                del ready[source]
        assert total is not None  # every row of an interpolation matrix has weights
        _convert_into(total if plane_first else in_plane(total), result[k])


def _along_rows(plane: NDArray[Any], matrix: sparse.csr_matrix) -> NDArray[Any]:
    return np.asarray(matrix @ np.ascontiguousarray(plane))


def _general(
    array: NDArray[Any],
    shape: tuple[int, int, int],
    index_map: FloatArray,
    order: int,
    background: float,
    target: np.dtype,
) -> NDArray[Any]:
    """Resample through any affine, in slabs of the target, each from the part of the source it needs."""
    linear, offset = index_map[:3, :3], index_map[:3, 3]
    sigmas = [antialias_sigma(float(np.linalg.norm(row))) if order else 0.0 for row in linear]
    margin = np.asarray([2 + int(np.ceil(4 * s)) for s in sigmas])
    counts = np.asarray(array.shape[::-1])
    result = np.empty(shape, target)
    slabs = math.ceil(max(array.size, result.size) / _SLAB_VOXELS)
    thickness = math.ceil(shape[0] / slabs)
    for start in range(0, shape[0], thickness):
        stop = min(start + thickness, shape[0])
        corners = (
            np.array(np.meshgrid((0, shape[2] - 1), (0, shape[1] - 1), (start, stop - 1))).reshape(3, -1).T
        )
        reached = corners @ linear.T + offset
        low = np.clip(np.floor(reached.min(axis=0)).astype(int) - margin, 0, counts)
        high = np.clip(np.ceil(reached.max(axis=0)).astype(int) + margin + 1, 0, counts)
        slab = result[start:stop]
        if (high <= low).any():
            slab[...] = _converted(np.array([background], np.float64), target)[0]
            continue
        part = array[low[2] : high[2], low[1] : high[1], low[0] : high[0]]
        image = _smoothed_image(part, sigmas)
        # In voxel indices, so that sheared and left-handed grids need nothing special.
        origin = (0.0, 0.0, float(start))
        sampled = _sample(image, slab.shape, origin, linear, offset - low, order, background)
        _convert_into(sitk.GetArrayViewFromImage(sampled), slab)
    return result


def _smoothed_image(part: NDArray[Any], sigmas: list[float]) -> sitk.Image:
    if any(sigmas):
        matrices = [
            gaussian(n, s) if s else sparse.identity(n, format="csr")
            for n, s in zip(part.shape, sigmas[::-1], strict=True)
        ]
        smooth = np.empty(part.shape, _working_type(part.dtype))
        _separable(part, (matrices[0], matrices[1], matrices[2]), smooth)
        part = smooth
    if part.dtype.kind == "b" or part.dtype == np.float16:
        part = part.astype(np.float32)
    return sitk.GetImageFromArray(np.ascontiguousarray(part))


def _sample(
    image: sitk.Image,
    shape: tuple[int, ...],
    origin: tuple[float, float, float],
    linear: FloatArray,
    offset: FloatArray,
    order: int,
    background: float,
) -> sitk.Image:
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(linear.ravel().tolist())
    transform.SetTranslation(offset.tolist())
    wide = image.GetPixelID() in (
        sitk.sitkFloat64,
        sitk.sitkInt32,
        sitk.sitkUInt32,
        sitk.sitkInt64,
        sitk.sitkUInt64,
    )
    sampler = sitk.ResampleImageFilter()
    sampler.SetSize([int(n) for n in shape[::-1]])
    sampler.SetOutputOrigin(origin)
    sampler.SetTransform(transform)
    sampler.SetInterpolator(sitk.sitkLinear if order else sitk.sitkNearestNeighbor)
    sampler.SetDefaultPixelValue(float(background))
    sampler.SetOutputPixelType(sitk.sitkFloat64 if wide else sitk.sitkFloat32)
    return sampler.Execute(image)


def _working_type(dtype: np.dtype) -> np.dtype:
    """float32 where it holds every value exactly, else float64."""
    exact = (
        dtype.kind == "b"
        or (dtype.kind in "ui" and dtype.itemsize <= 2)
        or (dtype.kind == "f" and dtype.itemsize <= 4)
    )
    return np.dtype(np.float32 if exact else np.float64)


def _converted(values: NDArray[Any], target: np.dtype) -> NDArray[Any]:
    result = np.empty(values.shape, target)
    for n in range(len(values)):
        _convert_into(values[n : n + 1], result[n : n + 1])
    return result


def _convert_into(values: NDArray[Any], slot: NDArray[Any]) -> None:
    """Write ``values`` into ``slot``; to integers rounded half to even and clipped, never wrapped."""
    if slot.dtype.kind == "b":
        slot[...] = values >= 0.5
    elif slot.dtype.kind in "ui":
        limits = np.iinfo(slot.dtype)
        if values.dtype.kind == "f":
            rounded = np.rint(values)
            # float32 cannot hold the largest 32- and 64-bit integers: compare before the cast.
            top = np.nextafter(rounded.dtype.type(float(limits.max) + 1), rounded.dtype.type(0))
            np.clip(
                rounded, rounded.dtype.type(limits.min), min(top, rounded.dtype.type(limits.max)), out=rounded
            )
            slot[...] = rounded
        else:
            slot[...] = np.clip(values, limits.min, limits.max)
    else:
        slot[...] = values
