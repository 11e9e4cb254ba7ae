"""Synthetic hearts in the scene: a painted image beside its segmentation, and offspring with their labels."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import numpy_to_vtk

from SynthLogic.errors import ConfigError
from SynthLogic.hearts.labels import STRUCTURES
from SynthLogic.scene.atomic import all_or_nothing
from SynthLogic.scene.display import window_for
from SynthLogic.scene.hierarchy import file_beside
from SynthLogic.scene.nodes import Node, Scene, add_displayed, nodes_of_class, to_vtk, unique_name
from SynthLogic.scene.provenance import ENDING, is_synthetic, record_of, set_source, synthetic_name
from SynthLogic.scene.results import check_present
from SynthLogic.scene.segmentations import BINARY, Segment, add_segmentation
from SynthLogic.scene.terminology import Code, Terminology
from SynthLogic.scene.transforms import put_below
from SynthLogic.scene.volumes import PendingVolume
from SynthLogic.volume import Volume

SURFACE = "Closed surface"
"""Slicer's name of the representation."""
_PREFIX = "CrossModalSynth."
HEART, LABELS_OF = _PREFIX + "Heart", _PREFIX + "Labels"
"""Attribute: "painted", "preview" or "kept"; and the reference from an image to its segmentation."""
_SMOOTHING = 10
_SPECKLE, _COARSE = 20_000, 4
"""Changes of label along I beyond which every fourth pixel must do."""


def mark_heart(node: Node, record: str, kind: str) -> None:
    """Write a heart's record into the node's attributes and description.

    Args:
        record: JSON text of a HeartRecord.
        kind: "painted", "preview" or "kept".

    Raises:
        ConfigError: no record.
    """
    try:
        content: dict[str, Any] = json.loads(record)
        notice = str(content["notice"])
        bundle = content["model"] or content["codec"]
        texts = {
            "Synthetic": "1",
            "Record": record,
            "Bundle": f"{bundle['name']} {bundle['version']}",
            "SourceHash": " ".join(entry["content_hash"] for entry in content["inputs"]),
            "Heart": kind,
        }
    except (ValueError, KeyError, TypeError):
        raise ConfigError("The result has no readable record; run it again.") from None
    for name, text in texts.items():
        node.SetAttribute(_PREFIX + name, text)
    node.SetDescription(notice)


def add_painted(scene: Scene, pending: PendingVolume, source: Node, record: str) -> Node:
    """Add a painted image; return its node, named "NAME MR (synthetic)" and filed beside ``source``.

    Args:
        scene: that the source is in.
        pending: all voxels are there.
        source: the segmentation or label map that was painted.
        record: JSON text of the job's record.

    Raises:
        InputError: the source has left the scene.
        ConfigError: no record.
    """
    check_present(scene, source)
    like = source if source.IsA("vtkMRMLVolumeNode") else None
    node = pending.make(scene, synthetic_name(scene, source, "MR"), like=like)
    mark_heart(node, record, "painted")
    set_source(node, source)
    node.SetNodeReferenceID(LABELS_OF, source.GetID())
    put_below(node, source.GetParentTransformNode())
    with all_or_nothing(scene):
        add_displayed(scene, node, pending.make_display(scene, window_for(pending.array, "MR")))
        file_beside(scene, node, source)
    return node


def heart_segments() -> list[Segment]:
    """The three structures as segments, with their codes and colours."""
    return [
        Segment(
            int(label),
            what.name,
            what.colour,
            Terminology(Code(*what.category), Code(*what.type)),
            id=label.name.lower(),
        )
        for label, what in STRUCTURES.items()
    ]


def add_heart_segmentation(scene: Scene, labels: Volume, name: str, record: str, kind: str) -> Node:
    """Add the labels of an offspring as a segmentation with its surfaces; return the node."""
    present = [segment for segment in heart_segments() if (labels.array == segment.value).any()]
    with all_or_nothing(scene):
        node = add_segmentation(scene, labels, present, name)
        mark_heart(node, record, kind)
        set_surfaces(node, surfaces_of(labels, [segment.value for segment in present]))
    return node


def set_heart_labels(node: Node, labels: Volume) -> None:
    """Give a segmentation of ``add_heart_segmentation`` other labels, and their surfaces, in one change."""
    segmentation = node.GetSegmentation()
    wanted = {s.id: s for s in heart_segments() if (labels.array == s.value).any()}
    image = oriented(labels)
    surfaces = surfaces_of(labels, [segment.value for segment in wanted.values()])
    modifying = node.StartModify()
    try:
        for identity in [segmentation.GetNthSegmentID(n) for n in range(segmentation.GetNumberOfSegments())]:
            if identity not in wanted:
                segmentation.RemoveSegment(identity)
        for identity, segment in wanted.items():
            held = segmentation.GetSegment(identity)
            if held is None:
                held = slicer.vtkSegment()
                held.SetName(segment.name)
                if segment.colour is not None:
                    held.SetColor(*segment.colour)
                if segment.terminology is not None:
                    held.SetTag(held.GetTerminologyEntryTagName(), segment.terminology.to_text())
                held.AddRepresentation(BINARY, image)
                held.SetLabelValue(segment.value)
                segmentation.AddSegment(held, identity)
            held.SetLabelValue(segment.value)
            held.AddRepresentation(BINARY, image)
        set_surfaces(node, surfaces)
    finally:
        node.EndModify(modifying)


def set_surfaces(node: Node, surfaces: Mapping[int, Any]) -> None:
    """Give each segment the surface of its label value."""
    segmentation = node.GetSegmentation()
    for n in range(segmentation.GetNumberOfSegments()):
        segment = segmentation.GetNthSegment(n)
        surface = surfaces.get(int(segment.GetLabelValue()))
        if surface is not None:
            segment.AddRepresentation(SURFACE, surface)


def oriented(labels: Volume) -> Any:
    """Labels as one oriented image, which all segments share; voxels are copied."""
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*labels.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(labels.array).ravel(), deep=True))
    image.SetImageToWorldMatrix(to_vtk(labels.ijk_to_ras))
    return image


def surfaces_of(labels: Volume, values: Iterable[int]) -> dict[int, Any]:
    """A smooth closed surface (vtkPolyData in RAS) of each value; some milliseconds for a heart.

    Slicer's own conversion of the same takes a second, too slow to follow a hand.
    """
    array = labels.array
    # Of a stack that is no heart but speckle a surface would take long: a coarse one must do.
    step = _COARSE if np.count_nonzero(array[..., 1:] != array[..., :-1]) > _SPECKLE else 1
    padded: NDArray[Any] = np.pad(array[:, ::step, ::step], 1)
    image = vtk.vtkImageData()
    image.SetDimensions(*padded.shape[::-1])
    image.SetOrigin(-step, -step, -1)
    image.SetSpacing(step, step, 1)
    image.GetPointData().SetScalars(numpy_to_vtk(padded.ravel(), deep=True))
    place = vtk.vtkTransform()
    place.SetMatrix(to_vtk(labels.ijk_to_ras))
    result = {}
    for value in values:
        nets = vtk.vtkSurfaceNets3D()
        nets.SetInputData(image)
        nets.SetValue(0, value)
        nets.SetNumberOfIterations(_SMOOTHING)
        nets.SetOutputMeshTypeToTriangles()
        placed = vtk.vtkTransformPolyDataFilter()
        placed.SetInputConnection(nets.GetOutputPort())
        placed.SetTransform(place)
        normals = vtk.vtkPolyDataNormals()
        normals.SetInputConnection(placed.GetOutputPort())
        normals.SplittingOff()
        normals.ConsistencyOff()
        normals.Update()
        result[value] = normals.GetOutput()
    return result


def add_heart_image(
    scene: Scene, pending: PendingVolume, segmentation: Node, name: str, record: str, kind: str
) -> Node:
    """Add the image of an offspring beside its segmentation; return the node."""
    node = pending.make(scene, name)
    mark_heart(node, record, kind)
    node.SetNodeReferenceID(LABELS_OF, segmentation.GetID())
    with all_or_nothing(scene):
        add_displayed(scene, node, pending.make_display(scene, window_for(pending.array, "MR")))
        file_beside(scene, node, segmentation)
    return node


def free_name(scene: Scene, base: str) -> str:
    """A name with this beginning that ends in "(synthetic)" and that the scene does not have."""
    return unique_name(scene, base, ENDING)


def made_hearts(scene: Scene) -> list[tuple[Node, Node]]:
    """Images that were painted or kept in this scene, each with its segmentation or label map."""
    found = []
    for node in nodes_of_class(scene, "vtkMRMLScalarVolumeNode"):
        if is_synthetic(node) and record_of(node) and node.GetAttribute(HEART) in ("painted", "kept"):
            labels = node.GetNodeReference(LABELS_OF)
            if labels is not None:
                found.append((node, labels))
    return found


__all__ = [
    "HEART",
    "LABELS_OF",
    "SURFACE",
    "add_heart_image",
    "add_heart_segmentation",
    "add_painted",
    "free_name",
    "heart_segments",
    "made_hearts",
    "mark_heart",
    "oriented",
    "set_heart_labels",
    "set_surfaces",
    "surfaces_of",
]
