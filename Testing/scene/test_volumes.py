import subprocess
import sys

import numpy as np
import pytest
import slicer
import vtk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vtk.util.numpy_support import vtk_to_numpy

from SynthLogic.errors import InputError, OutputError
from SynthLogic.scene import PendingVolume, add_volume, grid_of, volume_of, window_for
from SynthLogic.scene import volumes as module
from SynthLogic.scene.nodes import to_vtk
from SynthLogic.volume import Grid, Volume

TYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
VTK_TYPES = {
    vtk.VTK_CHAR: "int8" if np.dtype("b") == np.dtype("int8") else "uint8",
    vtk.VTK_SIGNED_CHAR: "int8",
    vtk.VTK_UNSIGNED_CHAR: "uint8",
    vtk.VTK_SHORT: "int16",
    vtk.VTK_UNSIGNED_SHORT: "uint16",
    vtk.VTK_INT: "int32",
    vtk.VTK_UNSIGNED_INT: "uint32",
    vtk.VTK_LONG: np.dtype("l").name,
    vtk.VTK_UNSIGNED_LONG: np.dtype("L").name,
    vtk.VTK_LONG_LONG: "int64",
    vtk.VTK_UNSIGNED_LONG_LONG: "uint64",
    vtk.VTK_FLOAT: "float32",
    vtk.VTK_DOUBLE: "float64",
}
reused = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
numbers = st.floats(-500, 500)
sizes = st.floats(0.05, 20)


def image_of(vtk_type, dims=(4, 3, 2), components=1):
    image = vtk.vtkImageData()
    image.SetDimensions(*dims)
    image.AllocateScalars(vtk_type, components)
    return image


def extremes(shape, dtype, seed):
    """Values over the whole range of the type, its ends included."""
    generator = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        values = generator.standard_normal(shape).astype(dtype)
        values.flat[0], values.flat[-1] = np.finfo(dtype).max, np.nan
        return values
    limits = np.iinfo(dtype)
    values = generator.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    values.flat[0], values.flat[-1] = limits.min, limits.max
    return values


@reused
@given(
    st.sampled_from(TYPES),
    st.tuples(*[st.integers(1, 5)] * 3),
    st.tuples(*[st.floats(-180, 180)] * 3),
    st.tuples(sizes, sizes, sizes),
    st.booleans(),
    st.tuples(numbers, numbers, numbers),
    st.integers(0, 99),
)
def test_volume_to_node_and_back(scene, affine, dtype, shape, angles, spacing, flipped, origin, seed):
    matrix = affine(angles, (-spacing[0] if flipped else spacing[0], *spacing[1:]), origin)
    volume = Volume(extremes(shape, dtype, seed), matrix)
    back = volume_of(add_volume(scene, volume, "scan"))
    assert back.array.dtype == dtype
    assert back.array.tobytes() == volume.array.tobytes()
    assert back.shape == shape
    np.testing.assert_allclose(back.ijk_to_ras, matrix, rtol=0, atol=1e-13 * max(1, *spacing))


@pytest.mark.parametrize("vtk_type", VTK_TYPES)
def test_every_scalar_type_is_read_without_a_copy(vtk_type):
    node = slicer.vtkMRMLScalarVolumeNode()
    image = image_of(vtk_type)
    scalars = image.GetPointData().GetScalars()
    for n in range(24):
        scalars.SetTuple1(n, n)
    node.SetAndObserveImageData(image)
    array = volume_of(node).array
    assert array.dtype == VTK_TYPES[vtk_type]
    assert array.shape == (2, 3, 4)
    for k, j, i in np.ndindex(2, 3, 4):
        assert array[k, j, i] == image.GetScalarComponentAsDouble(i, j, k, 0)
    assert np.shares_memory(array, vtk_to_numpy(scalars))
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0, 0] = 1


def test_voxel_positions_are_those_of_the_node(scene, make_volume):
    node = add_volume(scene, make_volume(), "scan")
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    volume = volume_of(node)
    for i, j, k in np.ndindex(7, 6, 5):
        expected = matrix.MultiplyPoint((i, j, k, 1))[:3]
        np.testing.assert_allclose(volume.grid.to_ras((i, j, k)), expected, atol=1e-12)


def test_an_image_that_starts_elsewhere_stays_where_it_is(make_volume):
    volume = make_volume()
    image = vtk.vtkImageData()
    image.SetExtent(3, 9, -2, 3, 10, 14)
    image.AllocateScalars(vtk.VTK_SHORT, 1)
    vtk_to_numpy(image.GetPointData().GetScalars())[:] = volume.array.ravel()
    node = slicer.vtkMRMLScalarVolumeNode()
    node.SetIJKToRASMatrix(to_vtk(volume.ijk_to_ras))
    node.SetAndObserveImageData(image)
    read = volume_of(node)
    assert read.array[1, 2, 3] == image.GetScalarComponentAsDouble(6, 0, 11, 0)
    np.testing.assert_allclose(read.grid.to_ras((3, 2, 1)), volume.grid.to_ras((6, 0, 11)), atol=1e-12)


def test_the_view_outlives_node_and_scene(scene, make_volume):
    volume = make_volume((20, 30, 40))
    view = volume_of(add_volume(scene, volume, "scan"))
    scene.Clear(1)
    for _ in range(5):
        slicer.vtkMRMLScene().AddNode(slicer.vtkMRMLScalarVolumeNode())
        np.zeros((20, 30, 40), np.int16)
    np.testing.assert_array_equal(view.array, volume.array)


def test_label_maps_and_bool(scene, make_volume):
    mask = make_volume().array % 2 == 0
    node = add_volume(scene, make_volume().with_array(mask), "mask", label_map=True)
    assert node.IsA("vtkMRMLLabelMapVolumeNode")
    assert node.GetDisplayNode().IsA("vtkMRMLLabelMapVolumeDisplayNode")
    assert volume_of(node).array.dtype == np.uint8
    np.testing.assert_array_equal(volume_of(node).array, mask)


def test_other_byte_order_and_half_precision_keep_their_values(scene, make_volume):
    for dtype, stored in ((">i2", np.int16), (">f8", np.float64), ("f2", np.float32)):
        volume = make_volume(dtype=dtype)
        read = volume_of(add_volume(scene, volume, "scan")).array
        assert read.dtype == stored
        np.testing.assert_array_equal(read, volume.array)


def test_a_view_with_strides_is_added_as_it_looks(scene, make_volume):
    volume = make_volume().canonical()[0]
    flipped = volume.with_array(volume.array[::-1, :, ::-1])
    np.testing.assert_array_equal(volume_of(add_volume(scene, flipped, "scan")).array, flipped.array)


@pytest.mark.parametrize("dtype", ["complex64", "U3", "longdouble"])
def test_types_that_no_node_stores(dtype):
    with pytest.raises(ValueError, match="dtype"):
        PendingVolume(Grid((2, 2, 2), np.eye(4)), dtype)


def one_sentence(caught, *words):
    message = str(caught.value)
    assert "\n" not in message
    assert message.count(". ") == 0
    assert message.endswith(".")
    for word in words:
        assert word in message


def no_image():
    return slicer.vtkMRMLScalarVolumeNode()


def without_scalars():
    node = slicer.vtkMRMLScalarVolumeNode()
    image = vtk.vtkImageData()
    image.SetDimensions(2, 2, 2)
    node.SetAndObserveImageData(image)
    return node


def colour():
    node = slicer.vtkMRMLVectorVolumeNode()
    node.SetAndObserveImageData(image_of(vtk.VTK_UNSIGNED_CHAR, components=3))
    return node


def diffusion():
    node = slicer.vtkMRMLDiffusionWeightedVolumeNode()
    node.SetAndObserveImageData(image_of(vtk.VTK_SHORT, components=7))
    return node


def bits():
    node = slicer.vtkMRMLScalarVolumeNode()
    node.SetAndObserveImageData(image_of(vtk.VTK_BIT))
    return node


def flat_geometry():
    node = slicer.vtkMRMLScalarVolumeNode()
    node.SetAndObserveImageData(image_of(vtk.VTK_SHORT))
    node.SetIJKToRASDirections(1, 0, 0, 1, 0, 0, 0, 0, 1)
    return node


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: None, ("No volume is chosen", "choose")),
        (slicer.vtkMRMLModelNode, ("No volume is chosen", "choose")),
        (no_image, ("no voxels", "load")),
        (without_scalars, ("no voxels", "load")),
        (colour, ("3 numbers", "choose")),
        (diffusion, ("7 numbers", "choose")),
        (bits, ("one bit", "cast")),
        (flat_geometry, ("singular", "correct")),
    ],
)
def test_what_is_no_scan_is_refused(make, words):
    with pytest.raises(InputError) as caught:
        volume_of(make())
    one_sentence(caught, *words)


def test_grid_needs_no_scalar_voxels():
    assert grid_of(colour()).shape == (2, 3, 4)
    with pytest.raises(InputError, match="no voxels"):
        grid_of(no_image())


def test_a_pending_volume_is_filled_in_pieces_and_then_closed(scene, make_volume, contents):
    volume = make_volume((9, 6, 7))
    pending = PendingVolume(volume.grid, np.int16)
    for k in range(0, 9, 2):
        pending.array[k : k + 2] = volume.array[k : k + 2]
        assert contents(scene) == []
    node = pending.add_to(scene, "scan")
    np.testing.assert_array_equal(volume_of(node).array, volume.array)
    assert np.shares_memory(volume_of(node).array, pending.array)
    with pytest.raises(ValueError, match="read-only"):
        pending.array[0] = 0


def test_a_large_volume_is_filled_completely(make_volume, monkeypatch):
    monkeypatch.setattr(module, "_PART", 100)
    volume = make_volume((9, 6, 7))
    pending = PendingVolume(volume.grid, np.int16)
    pending.array[:] = -1
    pending.fill(volume.array)
    np.testing.assert_array_equal(pending.array, volume.array)
    with pytest.raises(ValueError, match="shape"):
        pending.fill(volume.array[1:])


def test_whoever_sees_the_node_appear_sees_it_complete(scene, make_volume, below):
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    seen = []

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def added(caller, event, node):
        if node.IsA("vtkMRMLVolumeNode"):
            seen.append(
                (
                    node.GetName(),
                    node.GetImageData().GetDimensions(),
                    node.GetDisplayNode().GetWindow(),
                    node.GetParentTransformNode() is transform,
                )
            )

    scene.AddObserver(scene.NodeAddedEvent, added)
    add_volume(scene, make_volume(), "scan", window=(300.0, 20.0), parent=transform)
    assert seen == [("scan", (7, 6, 5), 300.0, True)]


class Failing:
    """A scene that refuses nodes of one class."""

    def __init__(self, scene, refused):
        self._scene, self._refused = scene, refused

    def __getattr__(self, name):
        return getattr(self._scene, name)

    def AddNode(self, node):
        return None if node.IsA(self._refused) else self._scene.AddNode(node)


@pytest.mark.parametrize("refused", ["vtkMRMLVolumeNode", "vtkMRMLDisplayNode"])
def test_nothing_half_made_stays(scene, make_volume, contents, refused):
    before = contents(scene)
    with pytest.raises(RuntimeError, match="did not take"):
        add_volume(Failing(scene, refused), make_volume(), "scan")
    assert contents(scene) == before


def test_too_little_memory_is_said_and_not_a_crash():
    with pytest.raises(OutputError) as caught:
        PendingVolume(Grid((2**20, 2**20, 2**13), np.eye(4)), np.float64)
    one_sentence(caught, "not enough memory", "close")


def test_defaults_of_the_scene_are_kept(scene, make_volume):
    default = slicer.vtkMRMLScalarVolumeDisplayNode()
    default.SetInterpolate(0)
    scene.AddDefaultNode(default)
    assert add_volume(scene, make_volume(), "scan").GetDisplayNode().GetInterpolate() == 0


def test_nodes_are_freed_with_the_scene(scene, make_volume):
    node = add_volume(scene, make_volume(), "scan")
    gone = set()
    for name, part in enumerate((node, node.GetDisplayNode(), node.GetImageData())):
        part.AddObserver("DeleteEvent", lambda *_, name=name: gone.add(name))
    del part
    scene.RemoveNode(node.GetDisplayNode())
    scene.RemoveNode(node)
    assert len(gone) < 3
    del node
    assert len(gone) == 3


def test_windows():
    assert window_for(np.zeros((2, 2, 2)), "CT") == (400, 40)
    width, level = window_for(np.arange(8000.0).reshape(20, 20, 20), "MR")
    np.testing.assert_allclose((level - width / 2, level + width / 2), (79.99, 7959.005))
    assert window_for(np.full((3, 3, 3), 7)) == (1.0, 7.0)
    assert window_for(np.full((3, 3, 3), np.nan)) == (1.0, 0.5)
    spike = np.zeros((10, 10, 10))
    spike[0, 0, 0] = 50
    assert window_for(spike) == (50.0, 25.0)
    large = np.zeros((100, 200, 300), np.int16)
    large[:, :, 150:] = 1000
    assert window_for(large) == (1000.0, 500.0)


def test_import_is_light():
    code = (
        "import slicer, vtk, numpy, sys, time; before = set(sys.modules); start = time.perf_counter();"
        "import SynthLogic.scene; taken = time.perf_counter() - start;"
        "new = {name.split('.')[0] for name in set(sys.modules) - before};"
        "bad = new & {'torch', 'pydantic', 'monai', 'qt', 'PySide6', 'yaml', 'rich', 'typer'};"
        "print(taken, sorted(bad))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split(maxsplit=1)[1].strip() == "[]"
