"""A label map of a segmentation's segments on any grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import ArrayLike, NDArray
from vtk.util.numpy_support import vtk_to_numpy

from SynthLogic.errors import InputError
from SynthLogic.scene.nodes import Node, from_vtk, to_vtk
from SynthLogic.scene.segmentations import BINARY
from SynthLogic.volume import Grid, Volume


def label_map(
    node: Node, grid: Grid, segment_ids: Sequence[str] | None = None, *, to_grid: ArrayLike | None = None
) -> NDArray[np.uint16]:
    """Return a label map (K, J, I) of segments on ``grid``: the n-th chosen segment has value n, from 1.

    Nearest neighbour, so every voxel centre gets what lies there; 0 where no segment is. Where segments
    overlap the one later in the choice wins. The segmentation is only read: one without a binary label map
    is converted in a copy.

    Args:
        node: a segmentation node.
        grid: any; oblique, or with other voxels than the segmentation's.
        segment_ids: which, and in what order; all by default.
        to_grid: 4x4 from the segmentation's own RAS to that of the grid (``transforms.between``); the
            identity by default.

    Raises:
        InputError: no segments, an unknown segment, or one without a binary label map that cannot get one.
    """
    result = np.zeros(grid.shape, np.uint16)
    paint(layers_of(node, grid, segment_ids, to_grid=to_grid), grid, result)
    return result


def layers_of(
    node: Node, grid: Grid, segment_ids: Sequence[str] | None = None, *, to_grid: ArrayLike | None = None
) -> list[Volume]:
    """Return label maps on their own grids, in the RAS of ``grid``, for ``paint``; see ``label_map``."""
    step = np.eye(4) if to_grid is None else np.asarray(to_grid, np.float64)
    layers = []
    for image, values in _images_of(node, segment_ids, grid, step):
        extent = image.GetExtent()
        if all(first <= last for first, last in zip(extent[::2], extent[1::2], strict=True)):
            labels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])
            layers.append(Volume(_mapped(labels, values), step @ _image_matrix(image)))
    return layers


def paint(layers: Sequence[Volume], grid: Grid, result: NDArray[np.uint16]) -> None:
    """Paint layers over ``result`` (K, J, I) on ``grid``; the larger value wins."""
    # Resampling brings SimpleITK, which opening a module must not wait for.
    from SynthLogic.volume.resampling import resample

    for layer in layers:
        part = _reached(grid, layer.grid)
        if part is None:
            continue
        k, j, i = part
        shape = (k.stop - k.start, j.stop - j.start, i.stop - i.start)
        inner = Grid(shape, started_at(grid.ijk_to_ras, (i.start, j.start, k.start)))
        # Values are places in the choice, so the largest is the last.
        np.maximum(result[part], resample(layer, inner, order=0).array, out=result[part])


def _images_of(
    node: Node, segment_ids: Sequence[str] | None, grid: Grid, to_grid: NDArray[np.float64]
) -> list[tuple[Any, dict[int, int]]]:
    """Each image that holds chosen segments, with the value in the result of each label in it."""
    segmentation = node.GetSegmentation()
    count = 0 if segmentation is None else segmentation.GetNumberOfSegments()
    if count == 0:
        raise InputError("The segmentation has no segments; choose another or draw one.")
    known = [segmentation.GetNthSegmentID(n) for n in range(count)]
    chosen = known if segment_ids is None else list(segment_ids)
    missing = [identity for identity in chosen if identity not in known]
    if missing:
        raise InputError(f"The segmentation has no segment {missing[0]!r}; choose one that it has.")
    if not segmentation.ContainsRepresentation(BINARY):
        segmentation = _converted(segmentation, grid, to_grid)
    images: dict[int, tuple[Any, dict[int, int]]] = {}
    for value, identity in enumerate(chosen, start=1):
        segment = segmentation.GetSegment(identity)
        image = segment.GetRepresentation(BINARY)
        if image is None or image.GetPointData().GetScalars() is None:
            continue
        # The same Python object for the same image as long as the list holds it.
        _, values = images.setdefault(id(image), (image, {}))
        label = int(segment.GetLabelValue())
        if label > 0:
            values[label] = max(value, values.get(label, 0))
    return list(images.values())


def _mapped(labels: NDArray[Any], values: dict[int, int]) -> NDArray[np.uint16]:
    """Each label (K, J, I) replaced by its value; 0 for one that is not asked for."""
    table = np.zeros(max(values, default=0) + 2, np.uint16)
    for label, value in values.items():
        table[label] = value
    result = np.empty(labels.shape, np.uint16)
    for plane, mapped in zip(labels, result, strict=True):
        # Anything outside the table meets the 0 at one of its ends.
        np.take(table, plane.astype(np.intp), mode="clip", out=mapped)
    return result


def _converted(segmentation: Any, grid: Grid, to_grid: NDArray[np.float64]) -> Any:
    copy, converter = slicer.vtkSegmentation(), slicer.vtkSegmentationConverter
    copy.DeepCopy(segmentation)
    geometry = to_vtk(np.linalg.inv(to_grid) @ grid.ijk_to_ras)
    extent = [bound for count in grid.shape[::-1] for bound in (0, count - 1)]
    copy.SetConversionParameter(
        converter.GetReferenceImageGeometryParameterName(), converter.SerializeImageGeometry(geometry, extent)
    )
    if not copy.CreateRepresentation(BINARY):
        raise InputError(
            "The segmentation has no binary labelmap; create that representation in the Segmentations module."
        )
    return copy


def _image_matrix(image: Any) -> NDArray[np.float64]:
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return started_at(from_vtk(matrix), image.GetExtent()[::2])


def started_at(matrix: NDArray[np.float64], first: Sequence[int]) -> NDArray[np.float64]:
    """The IJK-to-RAS of the same voxels counted from index ``first`` (i, j, k)."""
    result = np.array(matrix, np.float64)
    result[:3, 3] += result[:3, :3] @ np.asarray(first, np.float64)
    return result


def _reached(grid: Grid, layer: Grid) -> tuple[slice, slice, slice] | None:
    """The part (K, J, I) of ``grid`` that the voxels of ``layer`` can reach."""
    ends = [(-0.5, count - 0.5) for count in layer.shape[::-1]]
    corners = grid.to_ijk(layer.to_ras(np.array(np.meshgrid(*ends)).reshape(3, -1).T))
    counts = np.asarray(grid.shape[::-1])
    first = np.clip(np.floor(corners.min(axis=0)), 0, counts).astype(int)
    last = np.clip(np.ceil(corners.max(axis=0)) + 1, 0, counts).astype(int)
    if (first >= last).any():
        return None
    i, j, k = (slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
    return k, j, i
