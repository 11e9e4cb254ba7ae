"""A region of a scan: what a segmentation or a box covers, voxel by voxel."""

from __future__ import annotations

import numpy as np
import vtk
from numpy.typing import NDArray

from SynthLogic.errors import InputError
from SynthLogic.scene.label_maps import layers_of, paint, started_at
from SynthLogic.scene.nodes import Node, from_vtk
from SynthLogic.scene.transforms import between
from SynthLogic.scene.volumes import grid_of
from SynthLogic.volume import Grid, Volume
from SynthLogic.volume.grid import checked_matrix

_EDGE_MM = 1e-6
_PARALLEL = 1e-12
"""mm a voxel: less than this along a box's side is none."""


class Region:
    """What a segmentation or a box covers of a scan, found slice by slice.

    Parent transforms of both are followed; neither is changed.

    Args:
        node: a segmentation node, of which all segments count, or a ``vtkMRMLMarkupsROINode``, in any
            orientation; faces belong to the box; "inside out" is respected.
        volume_node: the scan.

    Raises:
        InputError: neither of the two, an empty region, or a transform between the two that is not linear.
    """

    def __init__(self, node: Node, volume_node: Node) -> None:
        self._grid = grid_of(volume_node)
        self._layers: list[Volume] | None = None
        if node is not None and node.IsA("vtkMRMLSegmentationNode"):
            self._layers = layers_of(node, self._grid, to_grid=between(node, volume_node))
        elif node is not None and node.IsA("vtkMRMLMarkupsROINode"):
            self._first, self._last = _box_spans(node, self._grid, between(node, volume_node))
            self._inside_out = bool(node.GetInsideOut())
        else:
            raise InputError("The region is neither a segmentation nor an ROI; choose one of these.")
        self._mask = np.zeros(self._grid.shape, bool)

    @property
    def slices(self) -> int:
        """Number of slices to fill."""
        return self._grid.shape[0]

    def fill(self, start: int, stop: int) -> None:
        """Find the voxels of slices ``start`` to ``stop`` (without it), counted along K."""
        mask = self._mask[start:stop]
        if self._layers is not None:
            count, (_, rows, columns) = len(mask), self._grid.shape
            labels = np.zeros((count, rows, columns), np.uint16)
            slab = Grid((count, rows, columns), started_at(self._grid.ijk_to_ras, (0, 0, start)))
            paint(self._layers, slab, labels)
            np.greater(labels, 0, out=mask)
            return
        i = np.arange(mask.shape[2], dtype=np.int32)[None, :]
        for plane, first, last in zip(mask, self._first[start:stop], self._last[start:stop], strict=True):
            np.logical_and(i >= first[:, None], i <= last[:, None], out=plane)
        if self._inside_out:
            np.logical_not(mask, out=mask)

    def mask(self) -> NDArray[np.bool_]:
        """Return which voxel centres (K, J, I) lie in the region, once all slices are filled.

        Raises:
            InputError: none.
        """
        if not self._mask.any():
            raise InputError("No voxel of the scan lies in the region; move it onto the scan or choose none.")
        return self._mask


def region_mask(node: Node, volume_node: Node) -> NDArray[np.bool_]:
    """Return which voxel centres (K, J, I) of a volume node lie in a region; see ``Region``.

    Raises:
        InputError: as ``Region``, or no voxel lies in it.
    """
    region = Region(node, volume_node)
    region.fill(0, region.slices)
    return region.mask()


def _box_spans(
    node: Node, grid: Grid, to_grid: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """For each row (K, J) of voxels the first and the last index along I that lie in a box."""
    size = np.asarray(node.GetSize(), np.float64)
    if node.GetNumberOfControlPoints() == 0 or not (size > 0).all():
        raise InputError("The ROI has no size; place its box around what you want.")
    placed = vtk.vtkMatrix4x4()
    placed.DeepCopy(node.GetObjectToNodeMatrix())
    to_box = np.linalg.inv(checked_matrix(to_grid @ from_vtk(placed), "The placement of the ROI"))
    step = to_box @ grid.ijk_to_ras
    count_k, count_j, count_i = grid.shape
    first, last = np.zeros((count_k, count_j)), np.full((count_k, count_j), count_i - 1.0)
    k, j = np.arange(count_k, dtype=np.float64)[:, None], np.arange(count_j, dtype=np.float64)[None, :]
    # A row of voxels runs through a box from one index to another.
    for row, half in enumerate(size / 2 + _EDGE_MM):
        start = step[row, 1] * j + step[row, 2] * k + step[row, 3]
        if abs(step[row, 0]) < _PARALLEL:
            last[np.abs(start) > half] = -1
            continue
        ends = (-half - start) / step[row, 0], (half - start) / step[row, 0]
        np.maximum(first, np.ceil(np.minimum(*ends)), out=first)
        np.minimum(last, np.floor(np.maximum(*ends)), out=last)
    return np.minimum(first, count_i).astype(np.int32), np.maximum(last, -1).astype(np.int32)
