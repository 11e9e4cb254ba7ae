"""The subject hierarchy: filing a node beside another."""

from __future__ import annotations

import slicer

from SynthLogic.scene.nodes import Node, Scene


def file_beside(scene: Scene, node: Node, source: Node) -> None:
    """Give ``node`` an item right after that of ``source`` and below the same parent.

    Without the application nobody makes items; where one is missing it is made.
    """
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    if hierarchy is None:
        return
    none = hierarchy.GetInvalidItemID()
    beside = hierarchy.GetItemByDataNode(source)
    if beside == none:
        beside = hierarchy.CreateItem(hierarchy.GetSceneItemID(), source)
    parent = hierarchy.GetItemParent(beside)
    item = hierarchy.GetItemByDataNode(node)
    if item == none:
        item = hierarchy.CreateItem(parent, node)
    elif hierarchy.GetItemParent(item) != parent:
        hierarchy.SetItemParent(item, parent)
    position = hierarchy.GetItemPositionUnderParent(beside)
    following = hierarchy.GetItemByPositionUnderParent(parent, position + 1)
    if following not in (none, item):
        hierarchy.MoveItem(item, following)


def unfile(scene: Scene, node: Node) -> None:
    """Remove the node's item, not the node."""
    # Asking for the hierarchy would make one.
    if scene.GetFirstNodeByClass("vtkMRMLSubjectHierarchyNode") is None:
        return
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.GetItemByDataNode(node)
    if item != hierarchy.GetInvalidItemID():
        hierarchy.RemoveItem(item, False, False)
