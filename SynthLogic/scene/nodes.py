"""Making nodes and putting them into a scene all together or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import ArrayLike

from SynthLogic.volume.grid import FloatArray

Scene = Any
"""A ``vtkMRMLScene``."""
Node = Any
"""A ``vtkMRMLNode``; its class is named where it matters."""


def new_node(scene: Scene, class_name: str) -> Node:
    """Return a new node with the scene's defaults for its class, not yet in the scene."""
    node = scene.CreateNodeByClass(class_name)
    if node is None:
        # A class that a module's logic would have made known to the scene.
        return getattr(slicer, class_name)()
    # Python holds a reference of its own; the creator's would never be given back.
    node.UnRegister(None)
    return node


def add_together(scene: Scene, nodes: Sequence[Node]) -> None:
    """Add the nodes in this order; if one cannot be added, none stays.

    Raises:
        RuntimeError: the scene did not take a node.
    """
    try:
        for node in nodes:
            if scene.AddNode(node) is not node:
                raise RuntimeError(f"the scene did not take a {node.GetClassName()}")
    except BaseException:
        remove(scene, nodes)
        raise


def add_displayed(scene: Scene, node: Node, display: Node) -> None:
    """Add ``node`` with its display node, so that whoever sees it appear sees it complete."""
    try:
        add_together(scene, [display])
        node.SetAndObserveDisplayNodeID(display.GetID())
        add_together(scene, [node])
    except BaseException:
        remove(scene, [display])
        raise


def remove(scene: Scene, nodes: Sequence[Node]) -> None:
    """Remove those of the nodes that are in the scene, the last first."""
    for node in reversed(nodes):
        if scene.IsNodePresent(node):
            scene.RemoveNode(node)


def nodes_of_class(scene: Scene, class_name: str) -> list[Node]:
    """All nodes of a class, in the scene's order."""
    return [scene.GetNthNodeByClass(n, class_name) for n in range(scene.GetNumberOfNodesByClass(class_name))]


def unique_name(scene: Scene, name: str, ending: str = "") -> str:
    """Return ``name + ending``, with a number between the two where the scene has that name already."""
    candidate, number = name + ending, 1
    while scene.GetFirstNodeByName(candidate) is not None:
        number += 1
        candidate = f"{name} {number}{ending}"
    return candidate


def from_vtk(matrix: Any) -> FloatArray:
    """A ``vtkMatrix4x4`` as a 4x4 array."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def to_vtk(matrix: ArrayLike) -> Any:
    """A 4x4 array as a ``vtkMatrix4x4``."""
    result = vtk.vtkMatrix4x4()
    result.DeepCopy(np.asarray(matrix, np.float64).ravel().tolist())
    return result
