"""What a segmentation or a label map holds, and its labels on a grid, read a little at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray

from SynthLogic.errors import InputError
from SynthLogic.scene.label_maps import layers_of, paint, started_at
from SynthLogic.scene.nodes import Node, from_vtk
from SynthLogic.scene.segmentations import BINARY, segments_of
from SynthLogic.scene.terminology import Terminology
from SynthLogic.scene.transforms import parent_to_world
from SynthLogic.scene.volumes import volume_of
from SynthLogic.volume import Grid, Volume

_MOST_VALUES = 64
_PART = 1 << 20
"""Voxels looked at in one step."""


@dataclass(frozen=True)
class Part:
    """One segment, or one value of a label map.

    Attributes:
        key: names it within its node: the segment's ID, or the value as text.
        name: as shown; of a value what the colour table calls it, or "".
        terminology: what it is, if that is said.
        value: of a label map; of a segmentation its place, from 1.
    """

    key: str
    name: str
    terminology: Terminology | None
    value: int


class LabelSource:
    """A segmentation node or a label map node, which is only read. Hidden segments count: hiding is for eyes.

    Raises:
        InputError: neither of the two, or nothing in it.
    """

    def __init__(self, node: Node) -> None:
        if node is None or not (node.IsA("vtkMRMLSegmentationNode") or node.IsA("vtkMRMLVolumeNode")):
            raise InputError("No heart is chosen; choose a segmentation or a label map.")
        self.node = node
        self._is_segmentation = bool(node.IsA("vtkMRMLSegmentationNode"))
        if self._is_segmentation:
            segmentation = node.GetSegmentation()
            if segmentation is None or segmentation.GetNumberOfSegments() == 0:
                raise InputError("The segmentation has no segments; choose another or draw one.")
        else:
            volume_of(node)

    @property
    def state(self) -> tuple[object, ...]:
        """Differs whenever segments, their voxels, or the place in the world have changed."""
        node = self.node
        matrix = parent_to_world(node, "segmentation")
        place = () if matrix is None else matrix.tobytes()
        if not self._is_segmentation:
            return (place, node.GetImageData().GetMTime(), volume_of(node).ijk_to_ras.tobytes())
        segmentation = node.GetSegmentation()
        name = segmentation.GetSourceRepresentationName()
        found = []
        for segment in segments_of(node):
            held = segmentation.GetSegment(segment.id)
            voxels = held.GetRepresentation(name)
            changed = None if voxels is None else voxels.GetMTime()
            found.append((segment.id, segment.name, segment.terminology, held.GetLabelValue(), changed))
        return (place, _geometry_text(segmentation), tuple(found))

    def parts(self) -> Iterator[tuple[Part, ...] | None]:
        """Give None while looking, and at last what there is, in order.

        Raises:
            InputError: a label map of other than whole numbers, or with too many of them.
        """
        if self._is_segmentation:
            found = segments_of(self.node)
            yield tuple(Part(s.id or "", s.name, s.terminology, s.value) for s in found)
            return
        array = volume_of(self.node).array
        values: set[int] = set()
        for plane in _pieces(array):
            if plane.dtype.kind == "f" and not (
                np.isfinite(plane).all() and (plane == np.round(plane)).all()
            ):
                raise InputError("The label map holds other than whole numbers; choose a label map.")
            values |= {int(value) for value in np.unique(plane)}
            if len(values) > _MOST_VALUES:
                raise InputError(
                    f"The volume holds more than {_MOST_VALUES} values: that is no label map; choose another."
                )
            yield None
        names = _colour_names(self.node)
        yield tuple(Part(str(v), names.get(v, ""), None, v) for v in sorted(values - {0}))

    def grid(self) -> Grid:
        """Its own grid: the reference geometry of a segmentation, or where its segments are without one.

        Raises:
            InputError: it has no voxels.
        """
        if not self._is_segmentation:
            return volume_of(self.node).grid
        segmentation = self.node.GetSegmentation()
        image = slicer.vtkOrientedImageData()
        text = _geometry_text(segmentation)
        if not text or not slicer.vtkSegmentationConverter.DeserializeImageGeometry(text, image, False):
            raise InputError("The segmentation has no voxels; draw its segments or choose another.")
        extent = image.GetExtent()
        shape = tuple(extent[2 * axis + 1] - extent[2 * axis] + 1 for axis in (2, 1, 0))
        if min(shape) < 1:
            raise InputError("The segmentation is empty; draw its segments or choose another.")
        matrix = vtk.vtkMatrix4x4()
        image.GetImageToWorldMatrix(matrix)
        return Grid(shape, started_at(from_vtk(matrix), extent[::2]))

    def to_world(self) -> NDArray[np.float64]:
        """The 4x4 from its own RAS to the world's.

        Raises:
            InputError: a parent transform that is not linear.
        """
        matrix = parent_to_world(self.node, "segmentation")
        return np.eye(4) if matrix is None else matrix

    def read(
        self,
        values: Mapping[str, int],
        grid: Grid,
        result: NDArray[np.uint8],
        to_grid: NDArray[np.float64] | None = None,
    ) -> Iterator[int]:
        """Fill ``result`` (K, J, I) on ``grid`` step by step.

        Where segments overlap, the label with the smaller value wins.

        Args:
            values: label of each part by its key; parts that are not there, or 0, are left out.
            grid: any.
            to_grid: 4x4 from its own RAS to that of the grid; the identity by default.
        """
        # The last one wins where a label map is made.
        chosen = sorted((key for key, value in values.items() if value), key=lambda key: -values[key])
        table = np.array([0, *(values[key] for key in chosen)], np.uint8)
        step = np.eye(4) if to_grid is None else to_grid
        if not chosen:
            result[...] = 0
            return
        if self._is_segmentation:
            layers = layers_of(self.node, grid, chosen, to_grid=step)
        else:
            volume = volume_of(self.node)
            numbers = np.zeros(volume.shape, np.uint16)
            yield 0
            for source, target in zip(_pieces(volume.array), _pieces(numbers), strict=True):
                for number, key in enumerate(chosen, 1):
                    target[source == int(key)] = number
                yield 0
            layers = [Volume(numbers, step @ volume.ijk_to_ras)]
        for start, stop in _spans(grid.shape):
            yield start
            slab = Grid((stop - start, *grid.shape[1:]), started_at(grid.ijk_to_ras, (0, 0, start)))
            numbers = np.zeros(slab.shape, np.uint16)
            paint(layers, slab, numbers)
            result[start:stop] = table[numbers]


def _geometry_text(segmentation: Any) -> str:
    if segmentation.GetSourceRepresentationName() == BINARY:
        everything = vtk.vtkStringArray()
        mode = segmentation.EXTENT_REFERENCE_GEOMETRY
        return str(segmentation.DetermineCommonLabelmapGeometry(mode, everything) or "")
    name = slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName()
    return str(segmentation.GetConversionParameter(name) or "")


def _spans(shape: tuple[int, int, int]) -> list[tuple[int, int]]:
    step = max(1, _PART // max(1, shape[1] * shape[2]))
    return [(start, min(start + step, shape[0])) for start in range(0, shape[0], step)]


def _pieces(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    for start, stop in _spans(array.shape):
        yield array[start:stop]


def _colour_names(node: Node) -> dict[int, str]:
    display = node.GetDisplayNode()
    colours = None if display is None else display.GetColorNode()
    if colours is None:
        return {}
    return {n: colours.GetColorName(n) or "" for n in range(min(colours.GetNumberOfColors(), 1024))}


__all__ = ["LabelSource", "Part"]
