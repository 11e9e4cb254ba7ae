"""A sequence that does not come to its end leaves nothing of itself, and says why."""

import time

import numpy as np
import pytest
import vtk

from SynthLogic.scene import is_synthetic, volume_of
from SynthLogic.volume import Volume

FRAMES = 4


def add_sequence(user, frames):
    """A sequence of these volumes, in no browser."""
    scene = user.host.scene
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Cine CT")
    for n, frame in enumerate(frames):
        node = user.add(frame, f"frame {n}")
        sequence.SetDataNodeAtValue(node, str(n))
        scene.RemoveNode(node)
    return sequence


def rolled(volume, count=FRAMES):
    return [Volume(np.roll(volume.array, n, axis=1), volume.ijk_to_ras) for n in range(count)]


def names(scene):
    return sorted(scene.GetNthNode(n).GetName() or "" for n in range(scene.GetNumberOfNodes()))


def voxels(sequence):
    return [np.array(volume_of(sequence.GetNthDataNode(n)).array) for n in range(FRAMES)]


def start(user, sequence):
    """Click, and give what is in the scene then."""
    user.choose(sequence)
    before = names(user.host.scene)
    user.click()
    return before


@pytest.mark.parametrize("where", ["between two frames", "within a frame"])
def test_cancelled_on_the_way(user, subject, where):
    sequence = add_sequence(user, rolled(subject.ct))
    original = voxels(sequence)
    before = start(user, sequence)
    [run] = user.panel.runs
    while run._frame < 2 or (where == "within a frame" and (run._run is None or run._run.step is None)):
        user.host.app.processEvents()  # one step a turn
        time.sleep(0.001)
    assert (run._run is None) == (where == "between two frames")
    user.ui.cancelButton.click()
    user.wait(lambda: not user.panel.runs and user.state in ("idle", "off"), 10)
    assert names(user.host.scene) == before
    assert user.synthetic() == []
    assert not user.ui.messageFrame.visible
    for kept, now in zip(original, voxels(sequence), strict=True):
        np.testing.assert_array_equal(kept, now)
    user.click()
    assert is_synthetic(user.finish())


def test_removed_meanwhile(user, subject):
    scene = user.host.scene
    sequence = add_sequence(user, rolled(subject.ct))
    before = start(user, sequence)
    user.wait(lambda: user.panel.runs[0]._frame == 1)
    scene.RemoveNode(sequence)
    user.wait(lambda: not user.panel.runs)
    before.remove("Cine CT")
    assert names(scene) == before
    assert "removed from the scene" in user.ui.messageLabel.text
    assert user.state in ("idle", "busy")
    user.choose(user.add(subject.ct, "Next"))
    user.click()
    assert is_synthetic(user.finish())


def spoilt(frame, kind):
    if kind == "not a number":
        array = frame.array.astype(np.float32)
        array[3, 4, 5] = np.nan
        return Volume(array, frame.ijk_to_ras)
    if kind == "constant":
        return frame.with_array(np.full_like(frame.array, 40))
    return Volume(frame.array, frame.ijk_to_ras @ np.diag([20.0, 20.0, 1.0, 1.0]))


@pytest.mark.parametrize(
    ("kind", "words"),
    [("not a number", "NaN or infinite"), ("constant", "no image"), ("wide spacing", "mm")],
)
def test_a_frame_that_cannot_be_translated(user, subject, kind, words):
    frames = rolled(subject.ct)
    frames[2] = spoilt(frames[2], kind)
    before = start(user, add_sequence(user, frames))
    user.wait(lambda: not user.panel.runs)
    assert user.ui.messageFrame.visible
    assert words in user.ui.messageLabel.text
    assert names(user.host.scene) == before
    assert user.synthetic() == []


def test_a_frame_that_is_no_volume(user, subject):
    scene = user.host.scene
    sequence = add_sequence(user, rolled(subject.ct))
    line = scene.AddNewNodeByClass("vtkMRMLMarkupsLineNode", "Line")
    sequence.SetDataNodeAtValue(line, "2")
    scene.RemoveNode(line)
    user.choose(sequence)
    assert "Frame 3 of the sequence is no volume" in user.ui.messageLabel.text
    assert not user.ui.synthesizeButton.enabled
    assert user.synthetic() == []


def test_a_sequence_below_a_transform_is_played_in_step(user, subject, host):
    """The result belongs to the browser that plays the scan, and hangs where the scan hangs."""
    scene = host.scene
    sequence = add_sequence(user, rolled(subject.ct))
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "Player")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    host.spin(0.1)
    proxy = browser.GetProxyNode(sequence)
    assert proxy is not None
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Turn")
    turn = vtk.vtkTransform()
    turn.RotateZ(90)
    transform.SetMatrixTransformToParent(turn.GetMatrix())
    proxy.SetAndObserveTransformNodeID(transform.GetID())
    start(user, sequence)
    shown = user.finish()
    assert shown.GetTransformNodeID() == transform.GetID()
    [made] = [node for node in user.synthetic() if node.IsA("vtkMRMLSequenceNode")]
    for n in (2, 0):
        browser.SetSelectedItemNumber(n)
        host.spin(0.1)
        np.testing.assert_array_equal(volume_of(shown).array, volume_of(made.GetNthDataNode(n)).array)
        np.testing.assert_array_equal(volume_of(proxy).array, np.roll(subject.ct.array, n, axis=1))
