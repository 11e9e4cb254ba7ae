"""Segmentations: what segments there are, and a new one from labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import get_vtk_array_type, vtk_to_numpy

from SynthLogic.scene.nodes import Node, Scene, add_displayed, new_node, to_vtk
from SynthLogic.scene.terminology import Terminology
from SynthLogic.scene.transforms import put_below
from SynthLogic.volume import Volume

BINARY = "Binary labelmap"
"""Slicer's name of the representation."""


@dataclass(frozen=True)
class Segment:
    """One segment.

    Attributes:
        value: its value in the label map; of a listed segment its place in the list, from 1.
        name: as shown.
        colour: red, green, blue from 0 to 1; None lets the scene choose.
        terminology: what it is, or None where nothing, or nothing readable, is said.
        visible: whether it is shown.
        id: names it within its segmentation; None lets the segmentation choose.
    """

    value: int
    name: str
    colour: tuple[float, float, float] | None = None
    terminology: Terminology | None = None
    visible: bool = True
    id: str | None = None


def segments_of(node: Node) -> tuple[Segment, ...]:
    """The segments of a segmentation node, in its order."""
    segmentation, display = node.GetSegmentation(), node.GetDisplayNode()
    result = []
    for n in range(segmentation.GetNumberOfSegments()):
        identity, segment = segmentation.GetNthSegmentID(n), segmentation.GetNthSegment(n)
        red, green, blue = segment.GetColor()
        entry = vtk.reference("")
        segment.GetTag(segment.GetTerminologyEntryTagName(), entry)
        result.append(
            Segment(
                value=n + 1,
                name=segment.GetName() or "",
                colour=(red, green, blue),
                terminology=Terminology.from_text(str(entry.get())),
                visible=display is None or bool(display.GetSegmentVisibility(identity)),
                id=identity,
            )
        )
    return tuple(result)


def add_segmentation(
    scene: Scene, labels: Volume, segments: Iterable[Segment], name: str, *, source: Node | None = None
) -> Node:
    """Add a segmentation node made from a label map; return it.

    Args:
        scene: where to.
        labels: integers (K, J, I); values that no segment has are left out.
        segments: one for each value to keep, none of them 0; one that has no voxel becomes an empty segment.
        name: of the node.
        source: volume node that the labels belong to: gives the parent transform and the reference geometry.
    """
    chosen = list(segments)
    values = [segment.value for segment in chosen]
    if min(values, default=1) < 1 or len(set(values)) != len(values):
        raise ValueError(f"segments have the values {values}; they must be positive and differ")
    named = [segment.id for segment in chosen if segment.id]
    if len(set(named)) != len(named):
        raise ValueError(f"segments have the ids {named}; they must differ")
    image = _label_image(labels, values)
    node = new_node(scene, "vtkMRMLSegmentationNode")
    node.SetName(name)
    if node.GetSegmentation() is None:
        node.SetAndObserveSegmentation(slicer.vtkSegmentation())
    segmentation = node.GetSegmentation()
    segmentation.SetSourceRepresentationName(BINARY)
    display = new_node(scene, "vtkMRMLSegmentationDisplayNode")
    for segment in chosen:
        made = slicer.vtkSegment()
        made.SetName(segment.name)
        made.SetLabelValue(segment.value)
        if segment.colour is not None:
            made.SetColor(*segment.colour)
        if segment.terminology is not None:
            made.SetTag(made.GetTerminologyEntryTagName(), segment.terminology.to_text())
        # All share one image, as Slicer does where segments do not overlap.
        made.AddRepresentation(BINARY, image)
        segmentation.AddSegment(made, segment.id or "")
    if source is not None:
        put_below(node, source.GetParentTransformNode())
    add_displayed(scene, node, display)
    if source is not None and source.GetScene() is scene:
        node.SetReferenceImageGeometryParameterFromVolumeNode(source)
    for n, segment in enumerate(chosen):
        if not segment.visible:
            display.SetSegmentVisibility(segmentation.GetNthSegmentID(n), False)
    return node


def _label_image(labels: Volume, values: list[int]) -> Any:
    """The kept labels as an oriented image, cropped to where they are."""
    along_k, across = np.zeros(labels.shape[0], bool), np.zeros(labels.shape[1:], bool)
    for k, plane in enumerate(labels.array):
        hit = np.isin(plane, values)
        along_k[k] = hit.any()
        across |= hit
    spans = []
    for along in (along_k, across.any(axis=1), across.any(axis=0)):
        found = np.flatnonzero(along)
        spans.append((int(found[0]), int(found[-1])) if found.size else (0, 0))
    dtype = np.dtype(np.uint8 if max(values, default=0) < 256 else np.uint16)
    image = slicer.vtkOrientedImageData()
    image.SetExtent(*[bound for span in spans[::-1] for bound in span])
    image.AllocateScalars(get_vtk_array_type(dtype), 1)
    shape = [last - first + 1 for first, last in spans]
    voxels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(shape)
    for k, plane in enumerate(labels.array[tuple(slice(first, last + 1) for first, last in spans)]):
        voxels[k] = np.where(np.isin(plane, values), plane, 0)
    image.SetImageToWorldMatrix(to_vtk(labels.ijk_to_ras))
    return image
