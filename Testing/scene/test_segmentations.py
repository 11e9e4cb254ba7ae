import numpy as np
import pytest
import slicer
import vtk
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from vtk.util.numpy_support import vtk_to_numpy

from SynthLogic.errors import InputError
from SynthLogic.scene import (
    Code,
    Region,
    Segment,
    Terminology,
    add_segmentation,
    add_volume,
    between,
    grid_of,
    label_map,
    region_mask,
    segments_of,
    volume_of,
)
from SynthLogic.scene.nodes import to_vtk
from SynthLogic.volume import Grid, Volume

LUNG = Terminology(
    Code("SCT", "123037004", "Anatomical Structure"),
    Code("SCT", "39607008", "Lung"),
    Code("SCT", "7771000", "Left"),
)
BONE = Terminology(
    Code("SCT", "85756007", "Tissue"),
    Code("SCT", "272673000", "Bone"),
    anatomy=Code("SCT", "51185008", "Chest"),
    anatomy_modifier=Code("SCT", "24028007", "Right"),
)
reused = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def labels(make_volume):
    array = np.zeros((6, 8, 10), np.int16)
    array[1:4, 2:6, 3:9] = 3
    array[4, 1:3, 1:3] = 9
    array[5, 7, 9] = 500
    return make_volume((6, 8, 10)).with_array(array)


SEGMENTS = (
    Segment(3, "left lung", (0.1, 0.5, 0.9), LUNG),
    Segment(9, "bone", (1.0, 0.0, 0.25), BONE, visible=False, id="ribs"),
)


def test_segments_are_listed_as_they_were_made(scene, labels):
    node = add_segmentation(scene, labels, SEGMENTS, "organs")
    lung, bone = segments_of(node)
    assert (lung.value, lung.name, lung.terminology, lung.visible) == (1, "left lung", LUNG, True)
    assert (bone.value, bone.name, bone.terminology, bone.visible) == (2, "bone", BONE, False)
    assert bone.id == "ribs"
    np.testing.assert_allclose((lung.colour, bone.colour), ((0.1, 0.5, 0.9), (1, 0, 0.25)))
    assert node.GetName() == "organs"


def test_labels_come_back_as_they_went_in(scene, labels):
    node = add_segmentation(scene, labels, SEGMENTS, "organs")
    expected = np.where(labels.array == 3, 1, np.where(labels.array == 9, 2, 0))
    np.testing.assert_array_equal(label_map(node, labels.grid), expected)
    np.testing.assert_array_equal(label_map(node, labels.grid, ["ribs"]), labels.array == 9)
    lung = segments_of(node)[0].id
    swapped = label_map(node, labels.grid, ["ribs", lung])
    np.testing.assert_array_equal(swapped, np.where(expected == 0, 0, 3 - expected))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "int64", "bool"])
def test_labels_of_every_type(scene, make_volume, dtype):
    array = np.zeros((4, 5, 6), dtype)
    array[1:3, 2:4, 1:5] = 1
    volume = make_volume((4, 5, 6)).with_array(array)
    node = add_segmentation(scene, volume, [Segment(1, "it")], "one")
    np.testing.assert_array_equal(label_map(node, volume.grid), array)


def test_large_values_and_segments_without_voxels(scene, labels):
    node = add_segmentation(scene, labels, [Segment(500, "far"), Segment(7, "nothing")], "organs")
    np.testing.assert_array_equal(label_map(node, labels.grid), labels.array == 500)
    assert len(segments_of(node)) == 2
    empty = add_segmentation(scene, labels, [Segment(7, "nothing")], "empty")
    assert not label_map(empty, labels.grid).any()


def test_slicer_exports_the_segments_that_were_put_in(application, labels):
    scene = application.scene
    source = add_volume(scene, labels, "scan")
    node = add_segmentation(scene, labels, SEGMENTS, "organs", source=source)
    exported = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    chosen = vtk.vtkStringArray()
    chosen.InsertNextValue("ribs")
    logic = application.logics["vtkSlicerSegmentationsModuleLogic"]
    assert logic.ExportSegmentsToLabelmapNode(node, chosen, exported, source)
    assert grid_of(exported).is_close(labels.grid)
    np.testing.assert_array_equal(volume_of(exported).array != 0, labels.array == 9)
    parameter = slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName()
    assert node.GetSegmentation().GetConversionParameter(parameter)


def test_values_that_cannot_be(scene, labels, contents):
    before = contents(scene)
    with pytest.raises(ValueError, match="positive and differ"):
        add_segmentation(scene, labels, [Segment(0, "air")], "organs")
    with pytest.raises(ValueError, match="positive and differ"):
        add_segmentation(scene, labels, [Segment(3, "a"), Segment(3, "b")], "organs")
    with pytest.raises(ValueError, match="ids"):
        add_segmentation(scene, labels, [Segment(3, "a", id="x"), Segment(9, "b", id="x")], "organs")
    assert contents(scene) == before


def drawn(scene, parts):
    """A segmentation of images of their own: (array, IJK-to-RAS, first index) each."""
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    for array, matrix, (i, j, k) in parts:
        image = slicer.vtkOrientedImageData()
        size_k, size_j, size_i = array.shape
        image.SetExtent(i, i + size_i - 1, j, j + size_j - 1, k, k + size_k - 1)
        image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
        vtk_to_numpy(image.GetPointData().GetScalars())[:] = array.ravel()
        image.SetImageToWorldMatrix(to_vtk(matrix))
        segment = slicer.vtkSegment()
        segment.SetName("part")
        segment.AddRepresentation("Binary labelmap", image)
        node.GetSegmentation().AddSegment(segment)
    return node


def test_the_later_of_overlapping_segments_wins(scene, make_volume):
    grid = make_volume((6, 8, 10)).grid
    first, second = np.zeros(grid.shape, np.uint8), np.zeros(grid.shape, np.uint8)
    first[1:5, 1:6, 1:7] = 1
    second[2:6, 3:8, 4:10] = 1
    node = drawn(scene, [(first, grid.ijk_to_ras, (0, 0, 0)), (second, grid.ijk_to_ras, (0, 0, 0))])
    np.testing.assert_array_equal(label_map(node, grid), np.where(second, 2, first))
    reverse = [segment.id for segment in segments_of(node)][::-1]
    np.testing.assert_array_equal(label_map(node, grid, reverse), np.where(first, 2, second))


def inside_box(points, half):
    """Whether points lie in a box around 0, and how far the nearest face plane of each is."""
    apart = np.abs(points) - half
    return (apart <= 0).all(axis=-1), np.abs(apart).min(axis=-1)


def grid_points(grid):
    k, j, i = np.indices(grid.shape)
    return grid.to_ras(np.stack([i, j, k], axis=-1))


@reused
@given(
    st.tuples(*[st.floats(-180, 180)] * 3),
    st.tuples(*[st.floats(-180, 180)] * 3),
    st.tuples(*[st.floats(-8, 8)] * 3),
    st.tuples(*[st.sampled_from([0.7, 1.0, 2.3])] * 3),
    st.booleans(),
    st.tuples(*[st.integers(-9, 9)] * 3),
)
def test_a_box_lands_where_it_is(scene, affine, turn, above, place, spacing, mirrored, first):
    """A filled label map is a box in the world; on any other grid it must cover that box exactly."""
    shape = (4, 5, 6)
    own = affine(turn, (-1.5 if mirrored else 1.5, 2.0, 2.5))
    # Centred, whatever index the image starts at.
    middle = np.asarray(first) + (np.asarray(shape[::-1]) - 1) / 2
    own[:3, 3] = np.asarray(place) - own[:3, :3] @ middle
    node = drawn(scene, [(np.ones(shape, np.uint8), own, first)])
    to_grid = affine(above, (1.0, 1.2, 0.9), (3, -4, 5))
    grid = Grid((14, 13, 12), affine((10, 20, 30), spacing, (-9, -11, -8)))
    result = label_map(node, grid, to_grid=to_grid)
    local = np.linalg.inv(to_grid @ own)
    indices = grid_points(grid) @ local[:3, :3].T + local[:3, 3]
    expected, edge = inside_box(indices - middle, np.asarray(shape[::-1]) / 2)
    sure = edge > 1e-3
    np.testing.assert_array_equal(result[sure], expected[sure])


def test_a_segmentation_and_a_scan_below_different_transforms(scene, labels, below, affine):
    source = add_volume(scene, labels, "scan")
    node = add_segmentation(scene, labels, SEGMENTS, "organs")
    matrix = affine((0, 0, 90), (1, 1, 1), (10, 0, 0))
    below(scene, source, matrix)
    below(scene, node, matrix)
    np.testing.assert_array_equal(region_mask(node, source), np.isin(labels.array, (3, 9)))
    shift = np.eye(4)
    shift[:3, 3] = -labels.ijk_to_ras[:3, 0]
    below(scene, node, matrix @ shift)
    moved = np.isin(labels.array, (3, 9))
    np.testing.assert_array_equal(region_mask(node, source)[..., :-1], moved[..., 1:])
    np.testing.assert_allclose(between(node, source), shift, atol=1e-12)


def test_reading_a_segmentation_changes_nothing(scene, labels):
    node = add_segmentation(scene, labels, SEGMENTS, "organs")
    before = (node.GetMTime(), node.GetSegmentation().GetMTime())
    stored = [node.GetBinaryLabelmapInternalRepresentation(s.id).GetMTime() for s in segments_of(node)]
    label_map(node, labels.grid, to_grid=np.diag([-1.0, -1, 1, 1]))
    assert (node.GetMTime(), node.GetSegmentation().GetMTime()) == before
    assert [
        node.GetBinaryLabelmapInternalRepresentation(s.id).GetMTime() for s in segments_of(node)
    ] == stored


def surface_only(scene, radius):
    sphere = vtk.vtkSphereSource()
    sphere.SetRadius(radius)
    sphere.SetCenter(2, -3, 4)
    sphere.SetThetaResolution(80)
    sphere.SetPhiResolution(80)
    sphere.Update()
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    node.AddSegmentFromClosedSurfaceRepresentation(sphere.GetOutput(), "ball", (1, 0, 0), "ball")
    node.GetSegmentation().SetSourceRepresentationName("Closed surface")
    node.GetSegmentation().RemoveRepresentation("Binary labelmap")
    assert not node.GetSegmentation().ContainsRepresentation("Binary labelmap")
    return node


def test_a_closed_surface_is_converted_in_a_copy(application, affine):
    node = surface_only(application.scene, 9.0)
    around = Grid((30, 30, 30), affine((10, 20, 30)))
    grid = Grid(around.shape, affine((10, 20, 30), place=(2, -3, 4) - around.centre))
    result = label_map(node, grid)
    far = np.linalg.norm(grid_points(grid) - (2, -3, 4), axis=-1)
    clear = np.abs(far - 9.0) > 1.0
    np.testing.assert_array_equal(result[clear], (far < 9.0)[clear])
    np.testing.assert_allclose(result.sum(), 4 / 3 * np.pi * 9.0**3, rtol=0.05)
    assert not node.GetSegmentation().ContainsRepresentation("Binary labelmap")


def test_what_is_no_region_is_refused(scene, labels, scan):
    empty = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    with pytest.raises(InputError, match="no segments; choose another"):
        region_mask(empty, scan)
    node = add_segmentation(scene, labels, SEGMENTS, "organs")
    with pytest.raises(InputError, match="no segment 'spleen'; choose"):
        label_map(node, labels.grid, ["ribs", "spleen"])
    for other in (None, scan):
        with pytest.raises(InputError, match="neither a segmentation nor an ROI; choose"):
            region_mask(other, scan)
    nothing = add_segmentation(scene, labels, [Segment(77, "nothing")], "nothing")
    with pytest.raises(InputError, match="No voxel of the scan lies in the region; move it"):
        region_mask(nothing, scan)
    bending = scene.AddNewNodeByClass("vtkMRMLBSplineTransformNode")
    node.SetAndObserveTransformNodeID(bending.GetID())
    with pytest.raises(InputError, match="The region hangs below a transform that is not linear; harden"):
        region_mask(node, scan)


def place_roi(scene, size, box_to_ras):
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    node.SetSize(*size)
    node.SetCenter(0, 0, 0)
    node.SetAndObserveObjectToNodeMatrix(to_vtk(box_to_ras))
    return node


@reused
@given(
    st.tuples(*[st.floats(-180, 180)] * 3),
    st.tuples(*[st.floats(-6, 6)] * 3),
    st.tuples(*[st.floats(4, 20)] * 3),
    st.booleans(),
)
def test_a_box_covers_the_voxels_in_it(scene, affine, below, turn, offset, size, inside_out):
    """Against the markups' own test of a point in the world."""
    grid = Grid((7, 8, 9), affine((12, -20, 33), (1.5, -2.0, 2.5)))
    volume = add_volume(scene, Volume(np.zeros(grid.shape, np.int16), grid.ijk_to_ras), "scan")
    roi = place_roi(scene, size, affine(turn, place=grid.centre + offset))
    roi.SetInsideOut(inside_out)
    below(scene, roi, affine((0, 0, 20), place=(3, 2, 1)))
    below(scene, volume, affine((5, 10, 15), place=(1, 2, 3)))
    to_box = np.linalg.inv(affine(turn, place=grid.centre + offset))
    moved = between(volume, roi)
    local = grid_points(grid) @ (to_box @ moved)[:3, :3].T + (to_box @ moved)[:3, 3]
    expected, edge = inside_box(local, np.asarray(size) / 2)
    sure = edge > 1e-5
    assume((expected ^ inside_out)[sure].any())
    mask = region_mask(roi, volume)
    np.testing.assert_array_equal(mask[sure], (expected ^ inside_out)[sure])
    world = np.zeros(3)
    for k, j, i in [(0, 0, 0), (3, 4, 4), (6, 7, 8), (2, 5, 3)]:
        if edge[k, j, i] > 1e-3:
            volume.TransformPointToWorld(grid.to_ras((i, j, k)), world)
            assert mask[k, j, i] == roi.IsPointInROIWorld(world)


def test_faces_through_voxel_centres_belong_to_the_box(scene):
    volume = add_volume(scene, Volume(np.zeros((9, 9, 9), np.int16), np.eye(4)), "scan")
    box = np.eye(4)
    box[:3, 3] = 4
    expected = np.zeros((9, 9, 9), bool)
    expected[1:8, 2:7, 3:6] = True
    np.testing.assert_array_equal(region_mask(place_roi(scene, (2, 4, 6), box), volume), expected)


def test_an_unplaced_or_distant_roi_is_refused(scene, scan):
    unplaced = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    with pytest.raises(InputError, match="has no size; place"):
        region_mask(unplaced, scan)
    far = np.eye(4)
    far[:3, 3] = 1e4
    with pytest.raises(InputError, match="No voxel"):
        region_mask(place_roi(scene, (5, 5, 5), far), scan)


names = st.text(st.characters(exclude_characters="~^", exclude_categories=("Cs", "Cc")), max_size=12)
codes = st.builds(Code, names, names, names)


@given(
    st.builds(
        Terminology,
        codes,
        st.builds(Code, names, names.filter(bool), names),
        codes,
        codes,
        codes,
        names,
        names,
    )
)
def test_terminology_to_text_and_back(entry):
    assert Terminology.from_text(entry.to_text()) == entry


def test_terminology_as_slicer_writes_it():
    own = slicer.vtkSlicerTerminologiesModuleLogic.SerializeTerminologyEntry
    text = own(
        "list", "1", "SCT", "Tissue", "2", "SCT", "Bone", "", "", "", "where", "3", "SCT", "Chest", "", "", ""
    )
    entry = Terminology.from_text(text)
    assert entry == Terminology(
        Code("SCT", "1", "Tissue"),
        Code("SCT", "2", "Bone"),
        anatomy=Code("SCT", "3", "Chest"),
        context="list",
        anatomy_context="where",
    )
    assert entry.to_text() == text


@pytest.mark.parametrize("text", ["", "Lung", "a~b~c", "a~x^1^y~^^", "a~b~c~d~e~f~g~h"])
def test_what_is_no_terminology_is_none(text):
    assert Terminology.from_text(text) is None


def test_terminology_that_would_be_read_as_another():
    with pytest.raises(ValueError, match="separate"):
        LUNG._replace(context="a~b").to_text()


def test_segments_survive_saving_and_loading(open_application, labels, tmp_path):
    first = open_application()
    source = add_volume(first.scene, labels, "scan")
    add_segmentation(first.scene, labels, SEGMENTS, "organs", source=source)
    assert first.scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    second = open_application()
    assert second.scene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    node = second.scene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    lung, bone = segments_of(node)
    assert (lung.name, lung.terminology, lung.visible) == ("left lung", LUNG, True)
    assert (bone.name, bone.terminology, bone.visible, bone.id) == ("bone", BONE, False, "ribs")
    np.testing.assert_array_equal(
        label_map(node, labels.grid), np.where(labels.array == 3, 1, np.where(labels.array == 9, 2, 0))
    )


@pytest.mark.parametrize("kind", ["segmentation", "box", "box inside out"])
def test_found_in_pieces_a_region_is_the_whole(scene, labels, affine, below, kind):
    grid = Grid((11, 9, 8), affine((3, 5, 7), (1.1, 1.3, 1.7), labels.grid.centre - 6))
    volume = add_volume(scene, Volume(np.zeros(grid.shape, np.int16), grid.ijk_to_ras), "scan")
    if kind == "segmentation":
        node = add_segmentation(scene, labels, SEGMENTS, "organs")
    else:
        node = place_roi(scene, (7, 8, 9), affine((40, 50, 60), place=grid.centre))
        node.SetInsideOut(kind != "box")
    region = Region(node, volume)
    for start in range(0, region.slices, 4):
        region.fill(start, min(start + 4, region.slices))
    whole = region_mask(node, volume)
    assert 0 < whole.sum() < whole.size
    np.testing.assert_array_equal(region.mask(), whole)


@pytest.mark.parametrize("angles", [(10, 20, 30), (-75, 5, 140), (45, 45, 45)])
def test_faces_belong_to_a_turned_box_too(scene, affine, angles):
    """Rounding must not decide whether a face that runs through voxel centres belongs to the box."""
    turned = affine(angles, place=(-61.3, 17.7, 204.1))
    volume = add_volume(scene, Volume(np.zeros((9, 9, 9), np.int16), turned), "scan")
    box = affine(angles, place=(turned @ [4, 4, 4, 1])[:3])
    expected = np.zeros((9, 9, 9), bool)
    expected[1:8, 2:7, 3:6] = True
    np.testing.assert_array_equal(region_mask(place_roi(scene, (2, 4, 6), box), volume), expected)
