"""A run that is limited to a segmentation: background outside it, inside it what the whole would give."""

import numpy as np
import pytest
import vtk

from SynthLogic.scene import Segment, add_segmentation, volume_of
from SynthLogic.scene.nodes import from_vtk
from SynthLogic.volume import Grid, Volume

RADIUS = 70.0
EDGE = 8.0  # more than half a voxel's diagonal of either grid


def centres(grid):
    """Where voxels lie, RAS in mm (K, J, I, 3)."""
    ijk = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), -1)[..., ::-1]
    return ijk @ grid.ijk_to_ras[:3, :3].T + grid.ijk_to_ras[:3, 3]


def middle(grid):
    return centres(grid).reshape(-1, 3).mean(0)


def other_grid(grid):
    """Finer, turned and shifted against ``grid``, around its middle."""
    turn = vtk.vtkTransform()
    turn.RotateZ(25)
    turn.RotateX(12)
    matrix = from_vtk(turn.GetMatrix()) @ np.diag([3.5, 4.0, 4.5, 1])
    shape = (44, 48, 52)
    matrix[:3, 3] += middle(grid) - (matrix @ [*(np.array(shape[::-1]) / 2), 1])[:3]
    return Grid(shape, matrix)


def ball(grid, center, half):
    """One half of a ball, by its side of the middle."""
    away = centres(grid) - center
    inside = np.linalg.norm(away, axis=-1) < RADIUS
    return inside & ((away[..., 0] >= 0) if half else (away[..., 0] < 0))


@pytest.mark.parametrize("own_grid", [True, False], ids=["own grid", "another grid"])
def test_a_segmentation_limits_the_result(user, subject, expected, own_grid):
    scan = user.add(subject.ct, "CT")
    grid, center = subject.ct.grid, middle(subject.ct.grid)
    drawn = grid if own_grid else other_grid(grid)
    # Two segments that fill one ball: all of them count.
    labels = ball(drawn, center, 0) + 2 * ball(drawn, center, 1)
    segments = [Segment(1, "left"), Segment(2, "right")]
    region = add_segmentation(
        user.host.scene, Volume(labels.astype(np.uint8), drawn.ijk_to_ras), segments, "Heart"
    )
    user.choose(scan)
    user.ui.regionSelector.setCurrentNode(region)
    # Last digits of bf16 depend on what lies beside a voxel.
    user.panel._parameters.precision = "fp32"
    user.click()
    array = volume_of(user.finish()).array
    whole = expected(subject.ct, "MR", precision="fp32")[0].array
    away = np.linalg.norm(centres(grid) - center, axis=-1)
    edge = 1e-3 if own_grid else EDGE
    inside, outside = away < RADIUS - edge, away > RADIUS + edge
    assert inside.sum() > 1000
    assert (array[outside] == 0).all()
    assert np.abs(array[inside].astype(int) - whole[inside].astype(int)).max() <= 1
    assert (whole[outside] != 0).any()
    assert array[inside].mean() > 100


def test_a_segmentation_moved_by_a_transform(user, subject, host):
    scan = user.add(subject.ct, "CT")
    grid, center = subject.ct.grid, middle(subject.ct.grid)
    labels = np.linalg.norm(centres(grid) - center, axis=-1) < RADIUS
    region = add_segmentation(
        host.scene, Volume(labels.astype(np.uint8), grid.ijk_to_ras), [Segment(1, "ball")], "Ball"
    )
    shift = host.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Shift")
    moved = vtk.vtkTransform()
    moved.Translate(60, 0, 0)
    shift.SetMatrixTransformToParent(moved.GetMatrix())
    region.SetAndObserveTransformNodeID(shift.GetID())
    user.choose(scan)
    user.ui.regionSelector.setCurrentNode(region)
    user.click()
    array = volume_of(user.finish()).array
    away = np.linalg.norm(centres(grid) - center - [60, 0, 0], axis=-1)
    assert (array[away > RADIUS + EDGE] == 0).all()
    assert array[away < RADIUS - EDGE].mean() > 100


def test_a_segmentation_without_voxels(user, subject, host):
    user.choose(user.add(subject.ct, "CT"))
    nothing = Volume(np.zeros(subject.ct.shape, np.uint8), subject.ct.ijk_to_ras)
    region = add_segmentation(host.scene, nothing, [Segment(1, "empty")], "Empty")
    nodes = host.scene.GetNumberOfNodes()
    user.ui.regionSelector.setCurrentNode(region)
    user.click()
    user.wait(lambda: not user.panel.runs)
    assert "region" in user.ui.messageLabel.text.lower()
    assert host.scene.GetNumberOfNodes() == nodes
