"""When the chosen scan is looked at again: once after many changes, and after a look that failed."""

import os
import signal

import numpy as np
import pytest
import vtk

from SynthLogic.scene import is_synthetic, volume_of
from SynthLogic.volume import Volume


class Counted:
    """Jobs and uploads since it was made."""

    def __init__(self, client, patch):
        self.jobs, self.uploads = [], 0
        submit, upload = client.submit, client.upload

        def counted_submit(kind, *arguments, **options):
            self.jobs.append(kind)
            return submit(kind, *arguments, **options)

        def counted_upload(*arguments, **options):
            self.uploads += 1
            return upload(*arguments, **options)

        patch.setattr(client, "submit", counted_submit)
        patch.setattr(client, "upload", counted_upload)


@pytest.fixture
def counted(user, monkeypatch):
    """A function that begins to count."""
    return lambda: Counted(user.widget.session.client, monkeypatch)


def settle(user):
    """Let the quiet time pass, and the look that follows."""
    user.wait(lambda: not user.panel.watch.due and user.panel._answer is not None)
    user.host.spin(0.4)


@pytest.fixture
def turning(user, subject, host):
    """A scan below a transform, looked at, and a function that turns it by degrees."""
    scan = user.add(subject.ct, "CT")
    transform = host.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Turn")
    scan.SetAndObserveTransformNodeID(transform.GetID())
    user.choose(scan)

    def turn(degrees):
        turned = vtk.vtkTransform()
        turned.RotateZ(degrees)
        transform.SetMatrixTransformToParent(turned.GetMatrix())
        matrix = turned.GetMatrix()
        return [[matrix.GetElement(row, column) for column in range(4)] for row in range(4)]

    return turn


def test_a_dragged_transform_is_one_check_of_the_same_voxels(user, subject, turning, counted, expected):
    count = counted()
    for degrees in range(1, 51):
        matrix = turning(degrees)
        user.host.spin(0.01)
    assert count.jobs == []
    settle(user)
    assert count.jobs == ["check"]
    assert count.uploads == 0
    user.click()
    result = user.finish()
    assert count.uploads == 0
    wanted = expected(subject.ct, "MR", parent_transform=matrix)[0]
    np.testing.assert_array_equal(volume_of(result).array, wanted.array)


def test_painting_is_one_upload(user, subject, counted, expected):
    scan = user.add(subject.ct, "CT")
    user.choose(scan)
    count = counted()
    image = scan.GetImageData()
    for n in range(20):
        image.SetScalarComponentFromDouble(30 + n % 4, 30, 20, 0, 900 + n)
        image.Modified()
        user.host.spin(0.01)
    assert (count.jobs, count.uploads) == ([], 0)
    settle(user)
    assert (count.jobs, count.uploads) == (["check"], 1)
    user.click()
    result = user.finish()
    assert count.uploads == 1
    painted = Volume(np.array(volume_of(scan).array), volume_of(scan).ijk_to_ras)
    assert not np.array_equal(painted.array, subject.ct.array)
    np.testing.assert_array_equal(volume_of(result).array, expected(painted, "MR")[0].array)


def test_a_click_while_a_look_is_due_looks_first(user, subject, counted, expected):
    scan = user.add(subject.ct, "CT")
    user.choose(scan)
    count = counted()
    # A CT that would pass without a second look, and must not: its offset is gone.
    scan.GetImageData().DeepCopy(user.add(without_offset(subject), "other").GetImageData())
    scan.GetImageData().Modified()
    assert user.panel.watch.due
    user.click()
    assert user.panel.runs == []
    user.wait(lambda: user.ui.messageFrame.visible)
    user.host.spin(0.5)
    assert "subtract 1024" in user.ui.messageLabel.text
    assert user.panel._wanted is None
    assert user.synthetic() == []
    assert count.jobs == ["check"]


def test_a_click_while_a_look_is_due_runs_after_it(user, subject, turning, counted, expected):
    count = counted()
    matrix = turning(90)
    user.ui.outputNameEdit.text = "At the click"
    user.click()
    assert not user.ui.synthesizeButton.enabled
    user.ui.outputNameEdit.text = "Later"
    result = user.finish()
    assert result.GetName() == "At the click (synthetic)"
    assert count.jobs == ["check", "translate"]
    wanted = expected(subject.ct, "MR", parent_transform=matrix)[0]
    np.testing.assert_array_equal(volume_of(result).array, wanted.array)


def test_another_look_does_not_end_the_worker_in_a_check(user, turning, worker_pids, counted):
    user.widget.session.free()
    user.wait(lambda: user.state == "off")
    user.panel._lookAtScan()
    user.wait(lambda: user.state == "busy")
    [worker] = worker_pids()
    count = counted()
    turning(30)
    # The first check imports everything, which takes longer than a cancelled job is given.
    settle(user)
    user.wait(lambda: user.state == "idle")
    assert worker_pids() == {worker}
    assert count.jobs == ["check"]


def test_the_worker_killed_in_a_check(user, subject, expected, worker_pids):
    user.ui.scanSelector.setCurrentNode(user.add(subject.ct, "CT"))
    user.wait(lambda: user.state == "busy")
    for pid in worker_pids():
        os.kill(pid, signal.SIGKILL)
    user.wait(lambda: user.ui.messageFrame.visible)
    assert "was killed" in user.ui.messageLabel.text
    assert "cannot be translated" not in user.ui.seenLabel.text
    assert not user.ui.synthesizeButton.enabled
    user.ui.dismissButton.click()
    assert user.ui.lookAgainButton.visible
    user.ui.lookAgainButton.click()
    user.wait(lambda: user.panel._answer is not None)
    assert not user.ui.lookAgainButton.visible
    user.click()
    result = user.finish()
    np.testing.assert_array_equal(volume_of(result).array, expected(subject.ct, "MR")[0].array)
    assert not user.ui.messageFrame.visible


def test_what_is_the_scans_fault_offers_no_second_look(user, host):
    user.choose(host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty"))
    assert "cannot be translated" in user.ui.seenLabel.text
    assert not user.ui.lookAgainButton.visible


def test_a_scan_that_was_repaired_is_looked_at_again(user, subject, host):
    scan = host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    user.choose(scan)
    scan.SetAndObserveImageData(user.add(subject.ct, "full").GetImageData())
    scan.SetSpacing(6, 6, 6)
    settle(user)
    assert not user.ui.messageFrame.visible
    user.click()
    assert is_synthetic(user.finish())


def test_a_failed_run_stays_said_when_the_scan_is_looked_at_again(user, subject):
    scan = user.add(subject.ct, "CT")
    user.choose(scan)
    user.panel._parameters.device = "cuda:7"
    user.click()
    user.wait(lambda: not user.panel.runs)
    scan.GetImageData().Modified()
    settle(user)
    assert "cuda:7" in user.ui.messageLabel.text
    assert user.ui.messageFrame.visible


def test_coming_to_the_module_is_one_look(user, subject, host, counted):
    scan = user.add(subject.ct, "CT")
    host.select_module("")
    host.show_volumes(scan)
    count = counted()
    host.select_module("CrossModalSynth")
    user.wait(lambda: user.panel._answer is not None)
    host.select_module("")
    host.select_module("CrossModalSynth")
    host.spin(0.1)
    assert user.ui.scanSelector.currentNode() is scan
    assert (count.jobs, count.uploads) == (["check"], 1)


def without_offset(subject):
    return Volume((subject.ct.array + 1024).clip(0).astype(np.int16), subject.ct.ijk_to_ras)
