import numpy as np
import pytest
import slicer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from SynthLogic.errors import InputError
from SynthLogic.scene import add_volume, between, parent_to_world, volume_of
from SynthLogic.scene.nodes import from_vtk, to_vtk

angles = st.tuples(*[st.floats(-180, 180)] * 3)
places = st.tuples(*[st.floats(-300, 300)] * 3)
scales = st.tuples(*[st.sampled_from([-2.0, -1.0, 0.3, 1.0, 1.7])] * 3)
steps = st.lists(st.tuples(angles, scales, places), min_size=1, max_size=4)
reused = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def chain(scene, node, matrices):
    """Hang ``node`` below transforms; the first matrix is the nearest to it."""
    lower = node
    for matrix in matrices:
        transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        slicer.util.updateTransformMatrixFromArray(transform, matrix)
        lower.SetAndObserveTransformNodeID(transform.GetID())
        lower = transform
    return lower


@reused
@given(steps, places)
def test_a_chain_is_what_vtk_makes_of_it(scene, affine, steps, point):
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    matrices = [affine(*step) for step in steps]
    chain(scene, node, matrices)
    expected = np.zeros(3)
    node.TransformPointToWorld(point, expected)
    matrix = parent_to_world(node)
    np.testing.assert_allclose((matrix @ [*point, 1])[:3], expected, rtol=1e-12, atol=1e-9)
    product = np.eye(4)
    for step in matrices:
        product = step @ product
    np.testing.assert_allclose(matrix, product, rtol=1e-12, atol=1e-9)


def test_voxels_lie_where_the_scene_puts_them(scene, make_volume, below):
    node = add_volume(scene, make_volume(), "scan")
    below(scene, node)
    seen = volume_of(node).under(parent_to_world(node))
    for i, j, k in [(0, 0, 0), (6, 5, 4), (2, 3, 1)]:
        own, world = volume_of(node).grid.to_ras((i, j, k)), np.zeros(3)
        node.TransformPointToWorld(own, world)
        np.testing.assert_allclose(seen.grid.to_ras((i, j, k)), world, atol=1e-10)


def test_without_a_transform_there_is_none(scene, scan):
    assert parent_to_world(scan) is None


def test_reading_changes_nothing(scene, scan, below, affine):
    transform = below(scene, scan)
    before = (transform.GetMTime(), scan.GetMTime())
    first = parent_to_world(scan)
    first_again = parent_to_world(scan)
    np.testing.assert_array_equal(first, first_again)
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 2
    assert (transform.GetMTime(), scan.GetMTime()) == before


@pytest.mark.parametrize("kind", ["vtkMRMLBSplineTransformNode", "vtkMRMLGridTransformNode", "plate"])
@pytest.mark.parametrize("nearest", [True, False])
def test_transforms_that_bend_are_refused(scene, scan, affine, kind, nearest):
    import vtk

    bending = scene.AddNewNodeByClass("vtkMRMLTransformNode" if kind == "plate" else kind)
    if kind == "plate":
        plate = vtk.vtkThinPlateSplineTransform()
        points = vtk.vtkPoints()
        for corner in np.ndindex(2, 2, 2):
            points.InsertNextPoint(*(50.0 * n for n in corner))
        moved = vtk.vtkPoints()
        moved.DeepCopy(points)
        moved.SetPoint(3, 70, 60, 55)
        plate.SetSourceLandmarks(points)
        plate.SetTargetLandmarks(moved)
        bending.SetAndObserveTransformToParent(plate)
    top = chain(scene, scan, [] if nearest else [affine((3, 4, 5))])
    top.SetAndObserveTransformNodeID(bending.GetID())
    with pytest.raises(InputError) as caught:
        parent_to_world(scan)
    assert "not linear" in str(caught.value)
    assert "harden" in str(caught.value)


def test_a_flattening_transform_is_refused(scene, scan):
    chain(scene, scan, [np.diag([1.0, 1.0, 0.0, 1.0])])
    with pytest.raises(InputError, match="singular"):
        parent_to_world(scan)


@reused
@given(steps, steps, places)
def test_between_two_nodes(scene, affine, first, second, point):
    one, other = (scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode") for _ in range(2))
    chain(scene, one, [affine(*step) for step in first])
    chain(scene, other, [affine(*step) for step in second])
    in_world, back = np.zeros(3), np.zeros(3)
    one.TransformPointToWorld(point, in_world)
    other.TransformPointFromWorld(in_world, back)
    np.testing.assert_allclose((between(one, other) @ [*point, 1])[:3], back, rtol=1e-8, atol=1e-5)


def test_below_one_bending_transform_two_nodes_are_together(scene, scan, make_volume):
    other = add_volume(scene, make_volume(), "other")
    bending = scene.AddNewNodeByClass("vtkMRMLBSplineTransformNode")
    for node in (scan, other):
        node.SetAndObserveTransformNodeID(bending.GetID())
    np.testing.assert_array_equal(between(scan, other), np.eye(4))


def test_matrices_to_vtk_and_back(affine):
    matrix = affine((1, 2, 3), (0.1, -3, 7), (1 / 3, -1e3, 5))
    assert from_vtk(to_vtk(matrix)).tobytes() == matrix.tobytes()
