import json

import numpy as np
import pytest
import slicer
import vtk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from SynthLogic.errors import ConfigError, InputError
from SynthLogic.scene import (
    PendingVolume,
    Provenance,
    add_result,
    add_volume,
    is_synthetic,
    parent_to_world,
    provenance_of,
    record_of,
    remove_result,
    source_of,
    synthetic_name,
    volume_of,
)
from SynthLogic.scene import results as module
from SynthLogic.volume import Volume, content_hash

reused = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def pending_of(volume):
    pending = PendingVolume(volume.grid, volume.array.dtype)
    pending.fill(volume.array)
    return pending


@pytest.fixture
def synthetic(make_volume):
    volume = make_volume()
    return volume.with_array((volume.array * 3).astype(np.int16))


def hierarchy_of(scene):
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)


def children(scene, parent):
    identities = vtk.vtkIdList()
    hierarchy_of(scene).GetItemChildren(parent, identities)
    return [hierarchy_of(scene).GetItemName(identities.GetId(n)) for n in range(identities.GetNumberOfIds())]


def test_a_result_is_named_marked_and_shown(scene, scan, synthetic, record, below):
    transform = below(scene, scan)
    node = add_result(scene, pending_of(synthetic), scan, record)
    assert node.GetName() == "CTChest MR (synthetic)"
    np.testing.assert_array_equal(volume_of(node).array, synthetic.array)
    np.testing.assert_array_equal(volume_of(node).ijk_to_ras, volume_of(scan).ijk_to_ras)
    assert node.GetParentTransformNode() is transform
    np.testing.assert_array_equal(parent_to_world(node), parent_to_world(scan))
    display = node.GetDisplayNode()
    assert display is not scan.GetDisplayNode()
    assert display.GetAutoWindowLevel() == 0
    low, high = np.percentile(synthetic.array, (1, 99.5))
    assert display.GetWindow() == pytest.approx(high - low)
    assert display.GetLevel() == pytest.approx((low + high) / 2)
    assert display.GetColorNodeID() == "vtkMRMLColorTableNodeGrey"
    assert record_of(node) == record
    assert is_synthetic(node)
    assert source_of(node) is scan
    assert provenance_of(node) == Provenance(
        record, "MR", "thorax-ct-to-mr 1.2.0", "12" * 32, json.loads(record)["notice"]
    )
    assert "not for diagnosis" in node.GetDescription()


def test_a_synthetic_ct_has_a_soft_tissue_window(scene, scan, synthetic, record):
    record = record.replace('"target": "MR"', '"target": "CT"')
    display = add_result(scene, pending_of(synthetic), scan, record).GetDisplayNode()
    assert (display.GetWindow(), display.GetLevel()) == (400, 40)


def test_the_scan_is_untouched(scene, scan, synthetic, record):
    before = (content_hash(volume_of(scan)), scan.GetName(), scan.GetAttributeNames(), scan.GetMTime())
    add_result(scene, pending_of(synthetic), scan, record)
    assert (
        content_hash(volume_of(scan)),
        scan.GetName(),
        scan.GetAttributeNames(),
        scan.GetMTime(),
    ) == before
    assert not is_synthetic(scan)
    assert record_of(scan) is None
    assert provenance_of(scan) is None


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("CTChest", "MR", "CTChest MR (synthetic)"),
        ("Chest CT", "MR", "Chest MR (synthetic)"),
        ("ct_chest_01", "MR", "mr_chest_01 (synthetic)"),
        ("3: CT thorax CT", "MR", "3: MR thorax MR (synthetic)"),
        ("MRHead", "CT", "MRHead CT (synthetic)"),
        ("T1 MRI", "CT", "T1 CT (synthetic)"),
        ("MR-brain", "MR", "MR-brain (synthetic)"),
        ("CTChest MR (synthetic)", "CT", "CTChest CT (synthetic)"),
        ("Sector", "MR", "Sector MR (synthetic)"),
        ("Größe ct", "MR", "Größe mr (synthetic)"),
        ("", "CT", "CT (synthetic)"),
    ],
)
def test_names(scene, source, target, expected):
    node = slicer.vtkMRMLScalarVolumeNode()
    node.SetName(source)
    assert synthetic_name(scene, node, target) == expected


@pytest.mark.parametrize("wish", ["knee", "knee (synthetic)", "  knee "])
def test_a_wished_name_still_says_synthetic(scene, scan, wish):
    assert synthetic_name(scene, scan, "MR", wish) == "knee (synthetic)"


def test_an_empty_wish_is_none(scene, scan):
    assert synthetic_name(scene, scan, "MR", "  ") == "CTChest MR (synthetic)"


def test_names_are_unique(scene, scan, synthetic, record):
    names = [add_result(scene, pending_of(synthetic), scan, record).GetName() for _ in range(3)]
    assert names == ["CTChest MR (synthetic)", "CTChest MR 2 (synthetic)", "CTChest MR 3 (synthetic)"]


def test_it_stands_right_behind_its_source(scene, scan, synthetic, record):
    hierarchy = hierarchy_of(scene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "someone")
    study = hierarchy.CreateStudyItem(patient, "yesterday")
    for node in (scan, add_volume(scene, synthetic, "next")):
        hierarchy.CreateItem(study, node)
    add_result(scene, pending_of(synthetic), scan, record)
    assert children(scene, study) == ["CTChest", "CTChest MR (synthetic)", "next"]
    assert children(scene, patient) == ["yesterday"]


def test_without_an_item_the_source_gets_one(scene, scan, synthetic, record):
    node = add_result(scene, pending_of(synthetic), scan, record)
    root = hierarchy_of(scene).GetSceneItemID()
    assert children(scene, root) == ["CTChest", node.GetName()]
    assert hierarchy_of(scene).GetItemByDataNode(scan) != 0


def test_an_item_that_the_application_made_is_moved(scene, scan, synthetic, record):
    hierarchy = hierarchy_of(scene)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "mine")
    hierarchy.CreateItem(folder, scan)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def added(caller, event, node):
        if node.IsA("vtkMRMLVolumeNode"):
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)

    scene.AddObserver(scene.NodeAddedEvent, added)
    node = add_result(scene, pending_of(synthetic), scan, record)
    assert children(scene, folder) == ["CTChest", node.GetName()]
    assert children(scene, hierarchy.GetSceneItemID()) == ["mine"]


def test_a_scan_that_left_the_scene_gets_no_result(scene, scan, synthetic, record, contents):
    scene.RemoveNode(scan.GetDisplayNode())
    scene.RemoveNode(scan)
    before = contents(scene)
    with pytest.raises(InputError, match=r"removed from the scene .* run again"):
        add_result(scene, pending_of(synthetic), scan, record)
    assert contents(scene) == before
    scene.Clear(0)
    with pytest.raises(InputError, match="removed from the scene"):
        add_result(scene, pending_of(synthetic), scan, record)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"bundle": 3}', '{"request": {"target": 1}}'])
def test_without_a_record_there_is_no_result(scene, scan, synthetic, contents, text):
    before = contents(scene)
    with pytest.raises(ConfigError, match="no readable record; run"):
        add_result(scene, pending_of(synthetic), scan, text)
    assert contents(scene) == before


def test_nothing_half_made_stays(scene, scan, synthetic, record, contents, monkeypatch):
    items = hierarchy_of(scene).GetNumberOfItems()
    before = contents(scene)

    def fail(scene, node, source):
        hierarchy_of(scene).CreateItem(hierarchy_of(scene).GetSceneItemID(), node)
        raise KeyError("filing")

    monkeypatch.setattr(module, "file_beside", fail)
    with pytest.raises(KeyError, match="filing"):
        add_result(scene, pending_of(synthetic), scan, record)
    assert contents(scene) == before
    assert hierarchy_of(scene).GetNumberOfItems() == items


def test_removing_leaves_what_was_there(scene, scan, synthetic, record, contents):
    hierarchy = hierarchy_of(scene)
    hierarchy.CreateItem(hierarchy.GetSceneItemID(), scan)
    before, items = contents(scene), hierarchy.GetNumberOfItems()
    node = add_result(scene, pending_of(synthetic), scan, record)
    node.AddDefaultStorageNode()
    assert hierarchy.GetNumberOfItems() == items + 1
    remove_result(scene, node)
    assert contents(scene) == before
    assert hierarchy.GetNumberOfItems() == items
    remove_result(scene, node)
    with pytest.raises(ValueError, match="only synthetic"):
        remove_result(scene, scan)
    assert contents(scene) == before


def test_two_hundred_results_leave_nothing_behind(scene, scan, synthetic, record, contents):
    remove_result(scene, add_result(scene, pending_of(synthetic), scan, record))
    before = contents(scene)
    gone = []
    for _ in range(200):
        node = add_result(scene, pending_of(synthetic), scan, record)
        node.GetImageData().AddObserver("DeleteEvent", lambda *_: gone.append(1))
        remove_result(scene, node)
    del node
    assert contents(scene) == before
    assert len(gone) == 200


@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32"])
def test_saved_and_loaded_it_is_the_same(open_application, make_volume, record, below, tmp_path, dtype):
    first = open_application()
    scan = add_volume(first.scene, make_volume(), "CTChest")
    below(first.scene, scan)
    volume = make_volume(dtype=dtype)
    node = add_result(first.scene, pending_of(volume), scan, record)
    display = node.GetDisplayNode()
    assert first.scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    second = open_application()
    assert second.scene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    loaded = second.scene.GetFirstNodeByName("CTChest MR (synthetic)")
    assert record_of(loaded) == record
    assert provenance_of(loaded) == provenance_of(node)
    assert is_synthetic(loaded)
    assert loaded.GetDescription() == node.GetDescription()
    assert source_of(loaded).GetName() == "CTChest"
    read = volume_of(loaded)
    assert read.array.dtype == dtype
    assert read.array.tobytes() == volume.array.tobytes()
    np.testing.assert_allclose(read.ijk_to_ras, volume.ijk_to_ras, rtol=0, atol=1e-10)
    assert content_hash(read) == content_hash(volume)
    np.testing.assert_allclose(parent_to_world(loaded), parent_to_world(node), atol=1e-12)
    shown = loaded.GetDisplayNode()
    assert (shown.GetWindow(), shown.GetLevel()) == pytest.approx(
        (display.GetWindow(), display.GetLevel()), rel=1e-5
    )
    hierarchy = hierarchy_of(second.scene)
    item, beside = (hierarchy.GetItemByDataNode(n) for n in (loaded, source_of(loaded)))
    assert item != 0
    assert hierarchy.GetItemParent(item) == hierarchy.GetItemParent(beside)


def test_a_single_oblique_slice(scene, affine, record):
    matrix = affine((25, -40, 10), (-0.8, 0.8, 6.0), (5, 6, 7))
    volume = Volume(np.arange(30, dtype=np.int16).reshape(1, 5, 6), matrix)
    scan = add_volume(scene, volume, "slice")
    node = add_result(scene, pending_of(volume_of(scan)), scan, record)
    np.testing.assert_array_equal(volume_of(node).array, volume.array)
    np.testing.assert_allclose(volume_of(node).ijk_to_ras, matrix, atol=1e-12)


@reused
@given(
    st.tuples(*[st.floats(-180, 180)] * 3),
    st.tuples(*[st.floats(0.1, 9)] * 3),
    st.tuples(*[st.floats(-500, 500)] * 3),
)
def test_it_lies_on_the_grid_of_its_source_to_the_bit(scene, affine, record, angles, spacing, origin):
    volume = Volume(np.zeros((2, 3, 4), np.int16), affine(angles, spacing, origin))
    scan = volume_of(source := add_volume(scene, volume, "scan"))
    node = add_result(scene, pending_of(scan), source, record)
    assert volume_of(node).ijk_to_ras.tobytes() == scan.ijk_to_ras.tobytes()
