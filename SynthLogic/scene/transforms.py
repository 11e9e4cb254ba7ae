"""Parent transforms: where a node lies in the world."""

from __future__ import annotations

import numpy as np
import vtk

from SynthLogic.errors import InputError
from SynthLogic.scene.nodes import Node, from_vtk
from SynthLogic.volume.grid import FloatArray, checked_matrix


def parent_to_world(node: Node, what: str = "scan") -> FloatArray | None:
    """Return the 4x4 that takes the node's own RAS to the world's (mm), or None without a parent transform.

    All transforms up to the world are multiplied; none is changed.

    Args:
        node: any transformable node.
        what: names the node in messages.

    Raises:
        InputError: one of them is not linear, or the product cannot be inverted.
    """
    parent = node.GetParentTransformNode()
    if parent is None:
        return None
    if not parent.IsTransformToWorldLinear():
        raise InputError(
            f"The {what} hangs below a transform that is not linear; harden that transform on it, "
            "or take it out of the transform."
        )
    matrix = vtk.vtkMatrix4x4()
    parent.GetMatrixTransformToWorld(matrix)
    return checked_matrix(from_vtk(matrix), f"The transform above the {what}")


def between(source: Node, target: Node, what: str = "region") -> FloatArray:
    """Return the 4x4 from the own RAS of ``source`` to the own RAS of ``target`` (mm).

    Two nodes below the same transform are related by the identity, exactly and whatever the transform is.

    Raises:
        InputError: see ``parent_to_world``; ``what`` names ``source``.
    """
    if source.GetParentTransformNode() is target.GetParentTransformNode():
        return np.eye(4)
    up, down = parent_to_world(source, what), parent_to_world(target)
    matrix = np.eye(4) if up is None else up
    return matrix if down is None else np.linalg.inv(down) @ matrix


def put_below(node: Node, parent: Node | None) -> None:
    """Hang ``node``, in a scene or not yet, below the transform node ``parent``, or below none."""
    node.SetAndObserveTransformNodeID(None if parent is None else parent.GetID())
