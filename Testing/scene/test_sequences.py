import numpy as np
import pytest
import slicer

from SynthLogic.errors import ConfigError, InputError
from SynthLogic.scene import (
    PendingSequence,
    PendingVolume,
    frame_of,
    index_of,
    is_synthetic,
    proxy_of,
    record_of,
    remove_sequence,
    source_of,
    volume_of,
)
from SynthLogic.scene import sequences as module
from SynthLogic.volume import Volume

VALUES = ("0", "20.5", "41", "100", "250")


@pytest.fixture
def make_sequence(make_volume):
    def make(scene, values=VALUES, numeric=True):
        node = slicer.vtkMRMLSequenceNode()
        node.SetName("cine CT")
        node.SetIndexName("trigger time")
        node.SetIndexUnit("ms")
        node.SetIndexType(node.NumericIndex if numeric else node.TextIndex)
        for n, value in enumerate(values):
            frame = slicer.vtkMRMLScalarVolumeNode()
            pending = PendingVolume(make_volume().grid, np.int16)
            pending.fill(make_volume().array + np.int16(n))
            pending.give_to(frame)
            node.SetDataNodeAtValue(frame, value)
        return scene.AddNode(node)

    return make


def translated(volume):
    pending = PendingVolume(volume.grid, np.int16)
    pending.fill(-volume.array)
    return pending


def record_number(record, n):
    return record.replace("1.2.0", f"1.2.{n}")


def complete(scene, source, record):
    growing = PendingSequence(scene, source)
    for n in range(len(index_of(source))):
        growing.append(translated(frame_of(source, n)), record_number(record, n))
    return growing


def browser_of(scene):
    return scene.GetFirstNodeByClass("vtkMRMLSequenceBrowserNode")


@pytest.mark.parametrize(
    ("values", "numeric"),
    [(VALUES, True), (("rest", "stress"), False), (("b", "a", "c"), False), (("7",), True)],
)
def test_frames_are_read_in_order(scene, make_sequence, make_volume, values, numeric):
    node = make_sequence(scene, values, numeric)
    index = index_of(node)
    assert (index.name, index.unit, index.numeric, index.values) == ("trigger time", "ms", numeric, values)
    for n in range(len(index)):
        frame = frame_of(node, n)
        np.testing.assert_array_equal(frame.array, make_volume().array + n)
        assert frame.grid.is_close(make_volume().grid)
    with pytest.raises(InputError, match=f"has {len(values)} frames"):
        frame_of(node, len(values))


@pytest.mark.parametrize(
    ("values", "numeric"), [(VALUES, True), (("b", "a", "c"), False), (("9", "8"), False)]
)
def test_a_result_has_the_index_of_its_source(scene, make_sequence, record, values, numeric):
    source = make_sequence(scene, values, numeric)
    sequence, shown = complete(scene, source, record).add_to_scene()
    assert index_of(sequence) == index_of(source)
    assert sequence.GetName() == shown.GetName() == "cine MR (synthetic)"
    for n in range(len(values)):
        frame = sequence.GetNthDataNode(n)
        np.testing.assert_array_equal(volume_of(frame).array, -frame_of(source, n).array)
        np.testing.assert_array_equal(frame_of(sequence, n).ijk_to_ras, frame_of(source, n).ijk_to_ras)
        assert record_of(frame) == record_number(record, n)
    assert record_of(sequence) == record_number(record, 0)
    assert is_synthetic(sequence)
    assert source_of(sequence) is source


def test_voxels_are_handed_over_not_copied(scene, make_sequence, record):
    source = make_sequence(scene, ("1",))
    pending = translated(frame_of(source, 0))
    growing = PendingSequence(scene, source)
    growing.append(pending, record)
    sequence, shown = growing.add_to_scene()
    assert np.shares_memory(frame_of(sequence, 0).array, pending.array)
    assert np.shares_memory(volume_of(shown).array, pending.array)


def test_source_and_result_play_in_step(application, make_sequence, record):
    scene = application.scene
    source = make_sequence(scene)
    sequence, shown = complete(scene, source, record).add_to_scene()
    browser = browser_of(scene)
    assert proxy_of(scene, sequence) is shown
    seen = proxy_of(scene, source)
    for n in (3, 0, 4):
        application.play(browser, n)
        np.testing.assert_array_equal(volume_of(shown).array, -frame_of(source, n).array)
        np.testing.assert_array_equal(volume_of(seen).array, frame_of(source, n).array)
        assert shown.GetName() == "cine MR (synthetic)"
        assert record_of(shown) == record_number(record, n)
    assert len(index_of(sequence)) == 5


def test_a_browser_that_plays_the_source_is_joined(application, make_sequence, record, below):
    scene = application.scene
    source = make_sequence(scene)
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
    browser.SetAndObserveMasterSequenceNodeID(source.GetID())
    application.play(browser, 2)
    seen = browser.GetProxyNode(source)
    transform = below(scene, seen)
    _, shown = complete(scene, source, record).add_to_scene()
    assert scene.GetNumberOfNodesByClass("vtkMRMLSequenceBrowserNode") == 1
    np.testing.assert_array_equal(volume_of(shown).array, -frame_of(source, 2).array)
    assert shown.GetParentTransformNode() is transform
    assert source_of(shown) is seen
    display = shown.GetDisplayNode()
    window = (display.GetWindow(), display.GetLevel())
    application.play(browser, 4)
    assert shown.GetParentTransformNode() is transform
    assert shown.GetDisplayNode() is display
    assert (display.GetWindow(), display.GetLevel()) == window
    np.testing.assert_array_equal(volume_of(shown).array, -frame_of(source, 4).array)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(shown)) == hierarchy.GetItemParent(
        hierarchy.GetItemByDataNode(seen)
    )


def test_given_up_halfway_nothing_was_ever_there(application, make_sequence, record, contents):
    scene = application.scene
    source = make_sequence(scene)
    before = contents(scene)
    growing = PendingSequence(scene, source)
    for n in range(3):
        growing.append(translated(frame_of(source, n)), record)
        assert contents(scene) == before
        assert len(growing) == n + 1
    assert not growing.is_complete
    with pytest.raises(ValueError, match="3 of 5"):
        growing.add_to_scene()
    gone = []
    growing._sequence.AddObserver("DeleteEvent", lambda *_: gone.append(1))
    del growing
    assert gone
    assert contents(scene) == before


def test_a_frame_too_many_or_without_record(scene, make_sequence, record):
    source = make_sequence(scene, ("1",))
    growing = PendingSequence(scene, source)
    with pytest.raises(ConfigError, match="no readable record"):
        growing.append(translated(frame_of(source, 0)), "")
    assert len(growing) == 0
    growing.append(translated(frame_of(source, 0)), record)
    with pytest.raises(ValueError, match="already"):
        growing.append(translated(frame_of(source, 0)), record)


@pytest.mark.parametrize("joined", [True, False])
def test_nothing_half_made_stays(application, make_sequence, record, contents, monkeypatch, joined):
    scene = application.scene
    source = make_sequence(scene)
    if joined:
        browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
        browser.SetAndObserveMasterSequenceNodeID(source.GetID())
        application.play(browser, 0)
    before = contents(scene)

    def fail(*_):
        raise KeyError("filing")

    monkeypatch.setattr(module, "file_beside", fail)
    with pytest.raises(KeyError, match="filing"):
        complete(scene, source, record).add_to_scene()
    assert contents(scene) == before


def test_removing_a_result_leaves_its_source_playing(application, make_sequence, record, contents):
    scene = application.scene
    source = make_sequence(scene)
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
    browser.SetAndObserveMasterSequenceNodeID(source.GetID())
    application.play(browser, 0)
    before = contents(scene)
    sequence, _ = complete(scene, source, record).add_to_scene()
    remove_sequence(scene, sequence)
    assert contents(scene) == before
    application.play(browser, 3)
    np.testing.assert_array_equal(volume_of(browser.GetProxyNode(source)).array, frame_of(source, 3).array)
    remove_sequence(scene, sequence)
    assert contents(scene) == before


def test_a_source_that_left_the_scene_gets_no_result(scene, make_sequence, record, contents):
    source = make_sequence(scene)
    growing = complete(scene, source, record)
    scene.RemoveNode(source)
    before = contents(scene)
    with pytest.raises(InputError, match="removed from the scene"):
        growing.add_to_scene()
    assert contents(scene) == before


def test_what_is_no_sequence_of_volumes_is_refused(scene, scan):
    for node in (None, scan):
        with pytest.raises(InputError, match="No sequence is chosen; choose"):
            index_of(node)
    empty = scene.AddNewNodeByClass("vtkMRMLSequenceNode")
    with pytest.raises(InputError, match="no frames; choose"):
        index_of(empty)
    empty.SetDataNodeAtValue(slicer.vtkMRMLLinearTransformNode(), "0")
    with pytest.raises(InputError, match=r"Frame 1 .* no volume; choose"):
        index_of(empty)


def test_saved_and_loaded_it_still_plays(open_application, make_sequence, record, tmp_path):
    first = open_application()
    source = make_sequence(first.scene)
    complete(first.scene, source, record).add_to_scene()
    expected = [Volume(np.array(frame_of(source, n).array), frame_of(source, n).ijk_to_ras) for n in range(5)]
    assert first.scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    second = open_application()
    assert second.scene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    nodes = [second.scene.GetNthNodeByClass(n, "vtkMRMLSequenceNode") for n in range(2)]
    (sequence,) = [node for node in nodes if is_synthetic(node)]
    assert record_of(sequence) == record_number(record, 0)
    assert index_of(sequence).values == VALUES
    for n, volume in enumerate(expected):
        np.testing.assert_array_equal(frame_of(sequence, n).array, -volume.array)
        assert frame_of(sequence, n).grid.is_close(volume.grid, 1e-6)
    shown = proxy_of(second.scene, sequence)
    second.play(browser_of(second.scene), 3)
    np.testing.assert_array_equal(volume_of(shown).array, -expected[3].array)
    assert is_synthetic(shown)
    assert record_of(shown) is not None


def test_numbers_that_are_none_or_out_of_order_keep_their_frames(scene, make_sequence, record):
    source = make_sequence(scene, ("10", "9", "early", "late"), numeric=False)
    source.SetIndexType(source.NumericIndex)
    sequence, _ = complete(scene, source, record).add_to_scene()
    assert index_of(sequence) == index_of(source)
    assert len(index_of(sequence)) == 4
    for n in range(4):
        np.testing.assert_array_equal(frame_of(sequence, n).array, -frame_of(source, n).array)
