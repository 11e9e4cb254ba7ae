"""Hearts in the views, and in words."""

import numpy as np
import slicer
from slicer.i18n import tr as _

from SynthLogic.hearts import STRUCTURES
from SynthLogic.scene import grid_of, is_synthetic, parent_to_world
from SynthLogic.scene.nodes import nodes_of_class, to_vtk

# Axes (I, J, K) of an image that point to the right, up and out of each view.
PLANES = {"Red": (0, 1, 2), "Green": (0, 2, 1), "Yellow": (1, 2, 0)}
TO_THE_RIGHT, UPWARDS = (-1.0, -0.2, 0.1), (0.1, 0.8, 1.0)


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
    nothing = True
    for view in nodes_of_class(slicer.mrmlScene, "vtkMRMLSliceCompositeNode"):
        nothing = nothing and view.GetBackgroundVolumeID() is None
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
    if nothing:
        # Where something was shown the user has turned the views as they want them.
        alignViews(image)


def outline(segmentation):
    """Show a segmentation as outlines only: what lies below is what matters."""
    display = segmentation.GetDisplayNode()
    if display is not None:
        display.SetVisibility(True)
        display.SetVisibility2DOutline(True)
        display.SetVisibility2DFill(False)


def alignViews(image):
    """Turn the slice views along the image, short axis in Red, and fit it."""
    grid = grid_of(image)
    world = parent_to_world(image)
    matrix = grid.ijk_to_ras if world is None else world @ grid.ijk_to_ras
    axes = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
    middle = matrix @ [*((np.array(grid.shape[::-1]) - 1) / 2), 1.0]
    for view in nodes_of_class(slicer.mrmlScene, "vtkMRMLSliceNode"):
        right, up, normal = PLANES.get(view.GetLayoutName(), PLANES["Red"])
        turned = np.eye(4)
        # As Slicer's own views: the patient's left on the right, front or head on top.
        turned[:3, 0] = axes[:, right] * (-1 if axes[:, right] @ TO_THE_RIGHT < 0 else 1)
        turned[:3, 1] = axes[:, up] * (-1 if axes[:, up] @ UPWARDS < 0 else 1)
        turned[:3, 2] = axes[:, normal]
        turned[:3, 3] = middle[:3]
        view.GetSliceToRAS().DeepCopy(to_vtk(turned))
        view.UpdateMatrices()
    slicer.util.resetSliceViews()
