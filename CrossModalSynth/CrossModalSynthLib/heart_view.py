"""Hearts in the views, and in words."""

import slicer
from slicer.i18n import tr as _

from SynthLogic.hearts import STRUCTURES
from SynthLogic.scene import is_synthetic
from SynthLogic.scene.nodes import nodes_of_class


def volumesText(volumes):
    """Volumes of the three structures in ml, one line; ``volumes`` as the worker says them."""
    found = [
        _("{name} {ml:.0f} ml").format(name=what.name, ml=volumes[label.name.lower()])
        for label, what in STRUCTURES.items()
        if volumes.get(label.name.lower()) is not None
    ]
    return ", ".join(found)


def defaultHeart():
    """A segmentation of this scene to begin with, or None: not one that was made here."""
    for node in nodes_of_class(slicer.mrmlScene, "vtkMRMLSegmentationNode"):
        if not is_synthetic(node) and not node.GetHideFromEditors():
            return node
    return None


def showPainted(image, labels):
    """Show an image in all slice views with the outlines of its labels on top."""
    known = False
    for view in nodes_of_class(slicer.mrmlScene, "vtkMRMLSliceCompositeNode"):
        before = view.GetBackgroundVolumeID()
        shown = None if before is None else slicer.mrmlScene.GetNodeByID(before)
        known = known or (shown is not None and shown.GetNodeReference("CrossModalSynth.Labels") is labels)
        modifying = view.StartModify()
        view.SetBackgroundVolumeID(image.GetID())
        view.SetForegroundVolumeID(None)
        if labels.IsA("vtkMRMLVolumeNode"):
            view.SetLabelVolumeID(labels.GetID())
            view.SetLabelOpacity(1.0)
        view.EndModify(modifying)
    if labels.IsA("vtkMRMLVolumeNode"):
        for view in nodes_of_class(slicer.mrmlScene, "vtkMRMLSliceNode"):
            view.SetUseLabelOutline(True)
    else:
        outline(labels)
    if not known:
        alignViews(image)


def outline(segmentation):
    """Show a segmentation as outlines only: what lies below is what matters."""
    display = segmentation.GetDisplayNode()
    if display is not None:
        display.SetVisibility(True)
        display.SetVisibility2DOutline(True)
        display.SetVisibility2DFill(False)


def alignViews(image):
    """Turn the slice views along the image, and fit it."""
    for view in nodes_of_class(slicer.mrmlScene, "vtkMRMLSliceNode"):
        view.RotateToVolumePlane(image)
    slicer.util.resetSliceViews()
