"""Display nodes, and the grey window a scan is first shown with."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from SynthLogic.scene.nodes import Node, Scene, new_node

Window = tuple[float, float]
"""Width and level, in the volume's units."""

CT_WINDOW: Window = (400.0, 40.0)
_GREY = "vtkMRMLColorTableNodeGrey"
_LABELS = ("vtkMRMLColorTableNodeFileGenericColors.txt", "vtkMRMLColorTableNodeLabels")
_SAMPLE = 200_000
_LARGEST = 1e300


def window_for(array: NDArray[Any], modality: str | None = None) -> Window:
    """Return a window: soft tissue for a CT, else from the 1st to the 99.5th percentile.

    Args:
        array: (K, J, I); at most some 200 thousand voxels of it are looked at, evenly spread.
        modality: "CT", "MR" or unknown.
    """
    if modality == "CT":
        return CT_WINDOW
    step = max(1, math.ceil((array.size / _SAMPLE) ** (1 / 3)))
    values = array[::step, ::step, ::step].astype(np.float64).ravel()
    # NaN, infinite, and what a difference would overflow on.
    values = values[np.abs(values) < _LARGEST]
    if values.size == 0:
        return 1.0, 0.5
    low, high = np.percentile(values, (1, 99.5))
    if low == high:
        low, high = values.min(), values.max()
    return float(high - low) or 1.0, float((low + high) / 2)


def scalar_display(scene: Scene, window: Window) -> Node:
    """Return a grey display node with a fixed window, not yet in the scene."""
    display = new_node(scene, "vtkMRMLScalarVolumeDisplayNode")
    # Automatic windowing would go through all voxels, while everybody waits.
    display.SetAutoWindowLevel(0)
    display.SetWindowLevel(*window)
    display.SetAndObserveColorNodeID(_GREY)
    return display


def label_display(scene: Scene) -> Node:
    """Return a display node for a label map, not yet in the scene."""
    display = new_node(scene, "vtkMRMLLabelMapVolumeDisplayNode")
    known = [color for color in _LABELS if scene.GetNodeByID(color) is not None]
    display.SetAndObserveColorNodeID(known[0] if known else _LABELS[-1])
    return display


def window_of(node: Node) -> Window | None:
    """The window that a scalar volume node is shown with now, or None if it has no such display node."""
    display = node.GetDisplayNode()
    if display is None or not display.IsA("vtkMRMLScalarVolumeDisplayNode"):
        return None
    width, level = float(display.GetWindow()), float(display.GetLevel())
    return (width, level) if width > 0 else None
