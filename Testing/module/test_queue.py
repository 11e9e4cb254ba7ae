"""Several translations asked for at once: one after the other, each as it was chosen at its click."""

import json

import numpy as np
import pytest
import vtk

from SynthLogic.scene import record_of, source_of, volume_of
from SynthLogic.volume import Volume


@pytest.fixture
def cine(user, subject, host):
    """A sequence of four frames, and their volumes: between two, other jobs get their turn."""
    sequence = host.scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Cine CT")
    frames = [Volume(np.roll(subject.ct.array, n, axis=1), subject.ct.ijk_to_ras) for n in range(4)]
    for n, frame in enumerate(frames):
        node = user.add(frame, f"frame {n}")
        sequence.SetDataNodeAtValue(node, str(n))
        host.scene.RemoveNode(node)
    return sequence, frames


class Progress:
    """What the bar showed, for which run."""

    def __init__(self, user):
        self.user, self.seen = user, []
        user.ui.progressBar.connect("valueChanged(int)", self.note)

    def note(self, value):
        title = self.user.panel.runs[0].title if self.user.panel.runs else None
        if title is not None:
            self.seen.append((title, value))

    def of(self, title):
        return [value for key, value in self.seen if key == title]


def order(values):
    return list(dict.fromkeys(values))


def test_a_volume_behind_a_sequence_waits_for_all_frames(user, subject, cine, expected):
    sequence, frames = cine
    volume = user.add(subject.mr, "Heart MR")
    progress = Progress(user)
    user.choose(sequence)
    user.click()
    user.choose(volume)
    user.click()
    assert [run.title for run in user.panel.runs] == ["Cine CT", "Heart MR"]
    assert "Waiting after it: 1" in user.ui.progressLabel.text
    user.wait(lambda: len(user.panel.runs) == 1)
    [made] = [node for node in user.synthetic() if node.IsA("vtkMRMLSequenceNode")]
    assert made.GetNumberOfDataNodes() == 4
    assert not any(source_of(node) is volume for node in user.synthetic())
    result = user.finish()
    assert order(title for title, _ in progress.seen) == ["Cine CT", "Heart MR"]
    for title in ("Cine CT", "Heart MR"):
        shown = progress.of(title)
        shown = shown[1:] if shown[0] == 0 else shown
        assert shown == sorted(shown)
        assert shown[-1] == 100
    for n, frame in enumerate(frames):
        wanted = expected(frame, "MR")[0].array
        np.testing.assert_array_equal(volume_of(made.GetNthDataNode(n)).array, wanted)
    assert source_of(result) is volume
    np.testing.assert_array_equal(volume_of(result).array, expected(subject.mr, "CT")[0].array)


@pytest.fixture
def behind(user, cine):
    """A function that starts the sequence, and puts a volume behind it."""

    def begin(volume, before_the_click=lambda: None):
        user.choose(cine[0])
        user.click()
        user.choose(volume)
        before_the_click()
        user.click()
        assert len(user.panel.runs) == 2

    return begin


def test_cancelling_the_first_starts_the_second(user, subject, behind, expected):
    second = user.add(subject.mr, "Second")
    behind(second)
    user.ui.cancelButton.click()
    user.wait(lambda: len(user.panel.runs) == 1)
    assert user.ui.cancelButton.enabled
    assert user.panel.runs[0].title == "Second"
    assert user.ui.progressBar.value < 100
    result = user.finish()
    assert user.synthetic() == [result]
    assert source_of(result) is second
    np.testing.assert_array_equal(volume_of(result).array, expected(subject.mr, "CT")[0].array)


def test_what_was_chosen_at_the_click_holds(user, subject, behind, expected, host):
    second = user.add(subject.ct, "Second")
    transform = host.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Turn")
    turn = vtk.vtkTransform()
    turn.RotateX(90)
    transform.SetMatrixTransformToParent(turn.GetMatrix())
    second.SetAndObserveTransformNodeID(transform.GetID())

    def choose():
        user.panel._parameters.precision = "fp32"
        user.panel._parameters.outputName = "As clicked"

    behind(second, choose)
    # All of this comes after the click.
    user.panel._parameters.precision = "auto"
    user.panel._parameters.outputName = "Another"
    transform.SetMatrixTransformToParent(vtk.vtkMatrix4x4())
    user.panel._parameters.scan = None
    assert len(user.panel.runs) == 2
    user.finish()
    [result] = [node for node in user.synthetic() if source_of(node) is second]
    assert result.GetName() == "As clicked (synthetic)"
    request = json.loads(record_of(result))["request"]
    matrix = turn.GetMatrix()
    parent = [[matrix.GetElement(row, column) for column in range(4)] for row in range(4)]
    assert (request["precision"], request["parent_transform"]) == ("fp32", parent)
    wanted = expected(subject.ct, "MR", parent_transform=parent, precision="fp32")[0]
    np.testing.assert_array_equal(volume_of(result).array, wanted.array)


def test_voxels_are_those_of_the_start(user, subject, behind, expected):
    second = user.add(subject.ct, "Second")
    behind(second)
    volume_before = np.array(volume_of(second).array)
    second.GetImageData().SetScalarComponentFromDouble(30, 30, 20, 0, 1500)
    second.GetImageData().Modified()
    assert len(user.panel.runs) == 2
    user.finish()
    now = Volume(np.array(volume_of(second).array), volume_of(second).ijk_to_ras)
    assert not np.array_equal(now.array, volume_before)
    [result] = [node for node in user.synthetic() if source_of(node) is second]
    np.testing.assert_array_equal(volume_of(result).array, expected(now, "MR")[0].array)


def test_a_scan_removed_before_its_turn(user, subject, behind, host):
    second = user.add(subject.ct, "Second")
    behind(second)
    host.scene.RemoveNode(second)
    user.finish()
    assert "removed from the scene before its turn" in user.ui.messageLabel.text
    assert user.ui.messageFrame.visible
    # The sequence, and what shows it.
    made, shown = sorted(user.synthetic(), key=lambda node: node.GetClassName(), reverse=True)
    assert made.IsA("vtkMRMLSequenceNode")
    assert made.GetNumberOfDataNodes() == 4
    assert volume_of(shown).array.shape == subject.ct.array.shape
