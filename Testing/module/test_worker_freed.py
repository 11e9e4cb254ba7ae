"""The worker is put down when it is told to, or when nobody has needed it for long; the next run works."""

import numpy as np
import pytest

from SynthLogic.scene import volume_of


@pytest.fixture
def ready(user, subject):
    """A scan that was looked at, and a worker with nothing to do."""
    user.choose(user.add(subject.ct, "CT"))
    user.wait(lambda: user.state == "idle")
    return user


def runs_right(user, subject, expected):
    user.click()
    result = user.finish()
    np.testing.assert_array_equal(volume_of(result).array, expected(subject.ct, "MR")[0].array)


def test_by_the_button(ready, subject, expected, worker_pids):
    assert len(worker_pids()) == 1
    assert ready.ui.workerStateLabel.text.startswith("Ready")
    ready.ui.freeButton.click()
    ready.wait(lambda: ready.state == "off", 5)
    assert worker_pids() == set()
    assert ready.ui.workerStateLabel.text == "Not running"
    assert not ready.ui.freeButton.enabled
    runs_right(ready, subject, expected)
    assert len(worker_pids()) == 1
    assert ready.ui.freeButton.enabled


def test_after_idle_minutes(ready, subject, expected, worker_pids):
    assert ready.widget.session.idleMs == 600_000
    ready.widget.session.idleMs = 300
    runs_right(ready, subject, expected)
    ready.wait(lambda: ready.state == "off", 10)
    assert worker_pids() == set()
    assert ready.ui.synthesizeButton.enabled
    runs_right(ready, subject, expected)


def test_not_while_a_run_is_pending(ready, subject, expected, worker_pids, host):
    """Between the frames of a sequence, and between two runs, the worker has nothing to do for a moment."""
    sequence = host.scene.AddNewNodeByClass("vtkMRMLSequenceNode", "Cine CT")
    for n in range(3):
        sequence.SetDataNodeAtValue(ready.ui.scanSelector.currentNode(), str(n))
    volume = ready.ui.scanSelector.currentNode()
    before = worker_pids()
    ready.choose(sequence)
    ready.wait(lambda: ready.state == "idle")
    ready.click()
    ready.choose(volume)
    ready.click()
    assert not ready.ui.freeButton.enabled
    ready.widget.session.idleMs = 1
    seen = set()
    ready.wait(lambda: seen.update(worker_pids()) or not ready.panel.runs)
    assert seen == before
    host.spin(0.05)
    wanted = expected(subject.ct, "MR")[0].array
    results = [node for node in ready.synthetic() if node.IsA("vtkMRMLVolumeNode")]
    assert len(results) >= 2
    for node in results:
        np.testing.assert_array_equal(volume_of(node).array, wanted)
    ready.wait(lambda: worker_pids() == set(), 10)
