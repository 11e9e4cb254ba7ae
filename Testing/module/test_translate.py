"""The tab Translate, as a user meets it; every test ends with voxels, nodes or pixels."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import vtk

from SynthLogic.scene import grid_of, is_synthetic, record_of, source_of, volume_of
from SynthLogic.volume import Volume

ROOT = Path(__file__).resolve().parents[2]


def turned(volume, degrees=25.0):
    """The same voxels, lying obliquely in the world."""
    transform = vtk.vtkTransform()
    transform.RotateZ(degrees)
    transform.RotateX(degrees / 2)
    transform.Translate(7, -11, 13)
    return Volume(volume.array, matrix_of(transform.GetMatrix()) @ volume.ijk_to_ras)


def matrix_of(matrix):
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def test_load_click_wait_see(user, subject, expected, host):
    scan = user.add(subject.ct, "Chest CT")
    before = np.array(volume_of(scan).array)
    host.show_volumes(scan)
    user.choose(scan)
    assert "CT, chest" in user.ui.seenLabel.text
    assert user.ui.synthesizeButton.text == "Synthesize MR"
    user.click()
    result = user.finish()
    wanted, record = expected(subject.ct, "MR")
    np.testing.assert_array_equal(volume_of(result).array, wanted.array)
    assert grid_of(result).is_close(grid_of(scan))
    np.testing.assert_array_equal(volume_of(scan).array, before)
    assert result.GetName() == "Chest MR (synthetic)"
    assert source_of(result) is scan
    made = json.loads(record_of(result))
    assert made["output"]["content_hash"] == record.output.content_hash
    assert made["bundle"]["hash"] == record.bundle.hash
    # Beside its source in the subject hierarchy.
    tree = host.scene.GetSubjectHierarchyNode()
    parents = [tree.GetItemParent(tree.GetItemByDataNode(node)) for node in (scan, result)]
    assert parents[0] == parents[1]
    # Shown, in all three views: what the view shows is the result's grey, not the scan's.
    user.ui.amountSlider.value = 0
    host.spin()
    shown = {name: host.view(name).pixels().astype(int) for name in ("Red", "Green", "Yellow")}
    user.ui.amountSlider.value = 100
    host.spin()
    for name, scan_pixels in shown.items():
        assert np.abs(host.view(name).pixels().astype(int) - scan_pixels).mean() > 5


def test_mr_to_ct_is_in_hu(user, subject, expected, host):
    scan = user.add(subject.mr, "Heart")
    user.choose(scan)
    assert user.ui.synthesizeButton.text == "Synthesize CT"
    user.click()
    result = user.finish()
    array = volume_of(result).array
    np.testing.assert_array_equal(array, expected(subject.mr, "CT")[0].array)
    assert array.dtype == np.int16
    assert array.min() < -900
    assert result.GetName() == "Heart CT (synthetic)"
    # Nothing was shown before: the views were fitted to it.
    for name in ("Red", "Green", "Yellow"):
        assert (host.view(name).pixels().max(-1) > 60).mean() > 0.05


def test_oblique_scan(user, subject, expected):
    oblique = turned(subject.ct)
    scan = user.add(oblique, "Oblique")
    user.choose(scan)
    user.click()
    result = user.finish()
    wanted = expected(Volume(oblique.array, volume_of(scan).ijk_to_ras), "MR")[0]
    np.testing.assert_array_equal(volume_of(result).array, wanted.array)
    np.testing.assert_allclose(volume_of(result).ijk_to_ras, volume_of(scan).ijk_to_ras, atol=1e-9)


def test_scan_under_a_parent_transform(user, subject, expected, host):
    scan = user.add(subject.ct, "Turned CT")
    transform = host.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Turn")
    turn = vtk.vtkTransform()
    turn.RotateY(90)
    turn.Translate(20, 0, -30)
    transform.SetMatrixTransformToParent(turn.GetMatrix())
    scan.SetAndObserveTransformNodeID(transform.GetID())
    user.choose(scan)
    user.click()
    result = user.finish()
    parent = matrix_of(turn.GetMatrix()).tolist()
    wanted = expected(subject.ct, "MR", parent_transform=parent)[0]
    np.testing.assert_array_equal(volume_of(result).array, wanted.array)
    assert result.GetTransformNodeID() == transform.GetID()
    assert grid_of(result).is_close(grid_of(scan))


def test_spacing_corrected_after_the_scan_was_chosen(user, subject, expected):
    scan = user.add(subject.ct, "CT")
    user.choose(scan)
    scan.SetSpacing(5.0, 5.0, 7.0)
    user.wait(lambda: user.panel._answer is not None)
    user.click()
    result = user.finish()
    wanted = expected(Volume(subject.ct.array, volume_of(scan).ijk_to_ras), "MR")[0]
    np.testing.assert_array_equal(volume_of(result).array, wanted.array)
    assert grid_of(result).is_close(grid_of(scan))


def test_region(user, subject, host):
    scan = user.add(subject.ct, "CT")
    roi = host.scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Heart")
    center = subject.ct.grid.ijk_to_ras @ [32, 32, 20, 1]
    roi.SetCenter(*center[:3])
    roi.SetSize(100, 100, 80)
    user.choose(scan)
    user.ui.regionSelector.setCurrentNode(roi)
    user.click()
    array = volume_of(user.finish()).array
    ras = np.stack(np.meshgrid(*(np.arange(n) for n in array.shape), indexing="ij"), -1)[..., ::-1]
    ras = ras @ subject.ct.grid.ijk_to_ras[:3, :3].T + subject.ct.grid.ijk_to_ras[:3, 3]
    outside = (np.abs(ras - center[:3]) > np.array([50, 50, 40]) + 1e-6).any(-1)
    assert (array[outside] == 0).all()
    assert array[~outside].mean() > 100


def test_sequence_of_five_frames(user, subject, expected, host):
    sequence = host.scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Cine CT")
    sequence.SetIndexName("time")
    sequence.SetIndexUnit("ms")
    frames = [Volume(np.roll(subject.ct.array, n, axis=1), subject.ct.ijk_to_ras) for n in range(5)]
    for n, frame in enumerate(frames):
        node = user.add(frame, f"frame {n}")
        sequence.SetDataNodeAtValue(node, str(10 * n))
        host.scene.RemoveNode(node)
    user.choose(sequence)
    user.click()
    shown = user.finish()
    assert shown.GetName() == "Cine MR (synthetic)"
    [made] = [node for node in user.synthetic() if node.IsA("vtkMRMLSequenceNode")]
    assert made.GetNumberOfDataNodes() == 5
    assert [made.GetNthIndexValue(n) for n in range(5)] == ["0", "10", "20", "30", "40"]
    for n, frame in enumerate(frames):
        wanted = expected(frame, "MR")[0]
        np.testing.assert_array_equal(volume_of(made.GetNthDataNode(n)).array, wanted.array)


@pytest.mark.alone
def test_cancel_half_way(user, large_subject, host, worker_pids):
    scan = user.add(large_subject.ct, "CT")
    user.choose(scan)
    nodes = host.scene.GetNumberOfNodes()
    user.click()
    user.half_way()
    start = time.monotonic()
    user.ui.cancelButton.click()
    user.wait(lambda: not user.panel.runs and user.state in ("idle", "off"), 10)
    assert time.monotonic() - start < 2
    assert user.synthetic() == []
    assert host.scene.GetNumberOfNodes() == nodes
    assert not user.ui.progressFrame.visible
    assert not user.ui.messageFrame.visible


def test_another_scan_chosen_meanwhile(user, subject, large_subject, expected):
    first, second = user.add(large_subject.ct, "First"), user.add(subject.mr, "Second")
    user.choose(first)
    user.click()
    user.half_way()
    user.choose(second)
    result = user.finish()
    assert source_of(result) is first
    np.testing.assert_array_equal(volume_of(result).array, expected(large_subject.ct, "MR")[0].array)
    assert user.ui.synthesizeButton.text == "Synthesize CT"


def test_scene_closed_meanwhile(user, large_subject, subject, host):
    user.choose(user.add(large_subject.ct, "CT"))
    user.click()
    user.half_way()
    host.close_scene()
    user.wait(lambda: user.state in ("idle", "off"), 10)
    assert user.panel.runs == []
    assert user.synthetic() == []
    # And the next one works.
    user.choose(user.add(subject.ct, "Next"))
    user.click()
    assert is_synthetic(user.finish())


def test_scan_removed_meanwhile(user, large_subject, host):
    scan = user.add(large_subject.ct, "CT")
    user.choose(scan)
    user.click()
    user.half_way()
    host.scene.RemoveNode(scan)
    user.wait(lambda: not user.panel.runs)
    assert user.synthetic() == []
    assert "removed from the scene" in user.ui.messageLabel.text


def test_two_runs_queued(user, large_subject, expected):
    user.choose(user.add(large_subject.ct, "CT"))
    user.click()
    user.half_way()
    user.ui.outputNameEdit.text = "Another"
    user.click()
    user.wait(lambda: "Waiting after it: 1" in user.ui.progressLabel.text)
    user.finish()
    names = sorted(node.GetName() for node in user.synthetic())
    assert names == ["Another (synthetic)", "MR (synthetic)"]
    wanted = expected(large_subject.ct, "MR")[0].array
    for node in user.synthetic():
        np.testing.assert_array_equal(volume_of(node).array, wanted)


def test_module_reloaded_meanwhile(user, large_subject, subject, host, worker_pids):
    user.choose(user.add(large_subject.ct, "CT"))
    user.click()
    user.half_way()
    old = worker_pids()
    again = type(user)(host, host.reload_module())
    host.wait(lambda: not worker_pids() & old, 5)
    assert user.synthetic() == []
    again.choose(again.add(subject.ct, "Next"))
    again.click()
    assert is_synthetic(again.finish())
    # The reloaded panel follows the scene.
    host.close_scene()
    again.choose(again.add(subject.ct, "After"))
    again.click()
    assert is_synthetic(again.finish())


def test_worker_killed_meanwhile(user, large_subject, expected, worker_pids):
    user.choose(user.add(large_subject.ct, "CT"))
    user.click()
    user.half_way()
    for pid in worker_pids():
        os.kill(pid, signal.SIGKILL)
    user.wait(lambda: not user.panel.runs, 10)
    assert "was killed" in user.ui.messageLabel.text
    assert user.synthetic() == []
    user.click()
    result = user.finish()
    np.testing.assert_array_equal(volume_of(result).array, expected(large_subject.ct, "MR")[0].array)
    assert not user.ui.messageFrame.visible


def test_scene_saved_and_loaded(user, subject, host, tmp_path):
    user.choose(user.add(subject.ct, "CT"))
    user.click()
    result = user.finish()
    record, array = record_of(result), np.array(volume_of(result).array)
    assert host.scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    host.close_scene()
    host.scene.ReadFromMRB(str(tmp_path / "scene.mrb"), False)
    host.spin(0.1)
    [loaded] = user.synthetic()
    assert record_of(loaded) == record
    assert loaded.GetName() == "MR (synthetic)"
    np.testing.assert_array_equal(volume_of(loaded).array, array)
    assert source_of(loaded).GetName() == "CT"
    # The panel takes its choices from the scene.
    assert user.ui.scanSelector.currentNode().GetName() == "CT"


@pytest.mark.alone
def test_the_window_never_waits(user, large_subject, host):
    scan = user.add(large_subject.ct, "CT")
    host.show_volumes(scan)
    user.choose(scan)
    user.click()
    user.finish()  # libraries of this process are warm
    stalls = []
    # What really waits does so every time.
    while len(stalls) < 5 and min(stalls, default=1) >= 0.1:
        with host.watch_stalls() as stall:
            user.click()
            user.finish()
        stalls.append(stall.longest)
    assert min(stalls) < 0.1, stalls


def test_compare_by_checkerboard_and_flicker(user, subject, host):
    scan = user.add(subject.ct, "CT")
    host.show_volumes(scan)
    user.choose(scan)
    user.click()
    result = user.finish()
    both = []
    for amount in (0, 100):
        user.ui.amountSlider.value = amount
        host.spin()
        both.append(host.view("Red").pixels().astype(int))
    user.ui.modeSelector.currentIndex = 1
    user.wait(lambda: len(user.synthetic()) == 2)
    user.ui.amountSlider.value = 60  # of many voxels, so that few pixels lie between two fields
    host.spin(0.5)
    user.wait(lambda: len(user.synthetic()) == 2)
    host.spin()
    board = host.view("Red").pixels().astype(int)
    from_scan, from_result = (np.abs(board - image).max(-1) < 12 for image in both)
    body = np.abs(both[0] - both[1]).max(-1) > 40
    assert 0.2 < from_scan[body].mean() < 0.8
    assert (from_scan | from_result)[body].mean() > 0.8
    user.ui.modeSelector.currentIndex = 2
    assert user.synthetic() == [result]
    user.ui.amountSlider.value = 5
    seen = []
    for _ in range(12):
        host.spin(0.1)
        seen.append(int(np.abs(host.view("Red").pixels().astype(int) - both[0]).sum() == 0))
    assert 0 < sum(seen) < len(seen)
    user.ui.modeSelector.currentIndex = 0
    host.spin()
    assert np.abs(host.view("Red").pixels().astype(int) - both[1]).max() == 0


def test_advanced_lists_bundles_and_devices(user, subject):
    user.choose(user.add(subject.ct, "CT"))
    user.ui.advancedSection.collapsed = False
    user.wait(lambda: user.ui.deviceSelector.count > 1 and user.ui.bundleSelector.count > 1)
    texts = [user.ui.deviceSelector.itemText(n) for n in range(user.ui.deviceSelector.count)]
    assert any("GB free" in text for text in texts)
    user.ui.bundleSelector.currentIndex = user.ui.bundleSelector.findData("thorax-mr-to-ct")
    user.wait(lambda: user.ui.messageFrame.visible)
    assert not user.ui.synthesizeButton.enabled
    user.ui.bundleSelector.currentIndex = user.ui.bundleSelector.findData("thorax-ct-to-mr")
    assert not user.ui.synthesizeButton.enabled  # until it has looked again
    user.wait(lambda: user.ui.synthesizeButton.enabled)
    assert not user.ui.messageFrame.visible
    user.ui.precisionSelector.currentIndex = user.ui.precisionSelector.findData("fp32")
    user.click()
    made = json.loads(record_of(user.finish()))
    assert made["precision"] == "fp32"
    assert made["request"]["model"] == "thorax-ct-to-mr"


def test_choices_are_kept_in_the_scene(user, host, tmp_path):
    user.ui.precisionSelector.currentIndex = user.ui.precisionSelector.findData("fp32")
    user.ui.outputNameEdit.text = "Mine"
    assert host.scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    host.close_scene()
    assert (user.ui.precisionSelector.currentData, user.ui.outputNameEdit.text) == ("auto", "")
    host.scene.ReadFromMRB(str(tmp_path / "scene.mrb"), False)
    host.spin(0.1)
    assert (user.ui.precisionSelector.currentData, user.ui.outputNameEdit.text) == ("fp32", "Mine")


def test_a_restricted_licence_asks_once_and_then_runs(user, subject, host, tmp_path):
    from SynthLogic.bundles import Bundle, write_bundle

    shipped = Bundle.open(ROOT / "Resources" / "bundles" / "thorax-ct-to-mr")
    licence = shipped.card.licence.model_copy(update={"restricted": True, "notice": "Only on Sundays."})
    card = shipped.card.model_copy(update={"name": "strict", "licence": licence})
    text = (shipped.folder / "LICENSE").read_text()
    tensors = shipped.load_network().state_dict()
    write_bundle(tmp_path / "home" / "bundles" / "strict", card, tensors, licence=text)
    first, second = user.add(subject.ct, "First"), user.add(subject.mr, "Second")
    user.choose(first)
    user.panel._parameters.bundle = "strict"
    user.wait(lambda: user.ui.synthesizeButton.enabled)
    host.answers.expect(False, kind="confirm", text="Only on Sundays")
    user.click()
    user.wait(lambda: not user.panel.runs and host.answers.asked)
    host.spin(0.1)
    assert user.synthetic() == []
    host.answers.expect(True, kind="confirm", text="Only on Sundays")
    user.click()
    user.panel._parameters.scan = second
    user.wait(user.synthetic)  # the question comes an event later, then the run begins again
    result = user.finish()
    assert source_of(result) is first
    assert json.loads(record_of(result))["bundle"]["name"] == "strict"
    user.panel._parameters.scan = first
    user.wait(lambda: user.ui.synthesizeButton.enabled)
    user.click()
    user.finish()
    assert len(user.synthetic()) == 2
