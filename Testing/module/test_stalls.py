"""The window never waits: no turn of the event loop takes 100 ms, by a timer of 10 ms, whatever is done.

While other programs take the processor, the clock says nothing about this one: then what it computed counts.
"""

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from harness.host import longest

from SynthLogic.scene import Segment, add_segmentation, is_synthetic
from SynthLogic.volume import Volume

pytestmark = pytest.mark.alone

ROOT = Path(__file__).resolve().parents[2]
LONGEST_S = 0.1
TRIES = 5
# The very first run is only that in a process of its own: nothing is imported yet, no worker has started.
THE_VERY_FIRST_RUN = """
import os, sys
os.environ["QT_QPA_PLATFORM"] = "offscreen"
sys.path.insert(0, "Testing")
from harness.host import Host
host = Host()
widget = host.load_module("CrossModalSynth/CrossModalSynth.py")
panel, ui = widget.translatePanel, widget.translatePanel.ui
import SampleData
[ct, mr] = SampleData.SampleDataLogic().press("SimulatedThorax1")  # takes seconds, and is no run
host.show_volumes(ct)
host.spin(0.5)
assert widget.session.client.state == "off"
with host.watch_stalls() as looking:
    ui.scanSelector.setCurrentNode(ct)
    host.wait(lambda: panel._answer is not None, 120)
with host.watch_stalls() as running:
    ui.synthesizeButton.click()
    host.wait(lambda: not panel.runs, 200)
    host.spin(0.3)
assert ui.resultSelector.currentNode() is not None
host.check()
host.quit()
print("RESULT", looking.seconds, looking.computing, running.seconds, running.computing)
"""


class Stalls:
    """The shortest that the longest stall of each thing was: what really waits does so every time."""

    def __init__(self, host):
        self.host, self.seconds = host, {}

    @contextmanager
    def of(self, what):
        with self.host.watch_stalls() as stall:
            yield
            self.host.spin(0.3)  # views are painted after it
        self.seconds[what] = min(stall.longest, self.seconds.get(what, stall.longest))

    @property
    def too_long(self):
        return {what: f"{1000 * s:.0f} ms" for what, s in self.seconds.items() if s >= LONGEST_S}


@pytest.fixture
def never_waits(host):
    """A function that does something again while a busy machine was late."""

    def check(things):
        stalls = Stalls(host)
        for _ in range(TRIES):
            things(stalls)
            if not stalls.too_long:
                break
        assert stalls.seconds
        assert stalls.too_long == {}

    return check


@pytest.fixture(scope="module")
def large(large_subject):
    """150 slices of 256 x 256: the size of a CT of the chest."""
    fine = np.repeat(np.repeat(large_subject.ct.array, 2, axis=1), 2, axis=2)
    array = np.concatenate([fine, fine[:22]])
    return Volume(array, large_subject.ct.ijk_to_ras @ np.diag([0.5, 0.5, 1, 1]))


def test_the_very_first_run():
    for _ in range(TRIES):
        answer = subprocess.run(
            [sys.executable, "-c", THE_VERY_FIRST_RUN], cwd=ROOT, capture_output=True, text=True, check=False
        )
        [line] = [line for line in answer.stdout.splitlines() if line.startswith("RESULT")] or [answer.stderr]
        assert line.startswith("RESULT"), line
        numbers = list(map(float, line.split()[1:]))
        looking, running = longest(*numbers[:2]), longest(*numbers[2:])
        if max(looking, running) < LONGEST_S:
            break
    assert looking < LONGEST_S
    assert running < LONGEST_S


def test_a_large_scan_is_sent_and_its_run_cancelled(user, large, never_waits):
    scan = user.add(large, "Large")
    user.host.show_volumes(scan)

    def things(stalls):
        user.ui.scanSelector.setCurrentNode(None)
        user.host.spin(0.3)
        with stalls.of("looking"):
            user.choose(scan)
        assert user.ui.synthesizeButton.text == "Synthesize MR"
        with stalls.of("starting"):
            user.click()
            user.half_way()
        with stalls.of("cancelling"):
            user.ui.cancelButton.click()
            user.wait(lambda: not user.panel.runs, 10)
        assert user.synthetic() == []

    never_waits(things)


@pytest.mark.parametrize("kind", ["segmentation", "ROI"])
def test_a_run_with_a_region(user, large, never_waits, kind):
    """The region is found on the large scan's grid; it is small, so that the network has little to do."""
    scan = user.add(large, "Large")
    user.host.show_volumes(scan)
    grid = large.grid
    if kind == "ROI":
        region = user.host.scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Heart")
        region.SetCenter(*(grid.ijk_to_ras @ [128, 128, 75, 1])[:3])
        region.SetSize(60, 60, 30)
    else:
        labels = np.zeros(grid.shape, np.uint8)
        labels[70:80, 110:150, 110:150] = 1
        region = add_segmentation(
            user.host.scene, Volume(labels, grid.ijk_to_ras), [Segment(1, "heart")], "Heart"
        )
    user.choose(scan)

    def things(stalls):
        user.ui.regionSelector.setCurrentNode(None)
        user.host.spin(0.3)
        with stalls.of("choosing the region"):
            user.ui.regionSelector.setCurrentNode(region)
        with stalls.of("running"):
            user.click()
            result = user.finish()
        assert is_synthetic(result)

    never_waits(things)


def test_comparing(user, large_subject, never_waits):
    scan = user.add(large_subject.ct, "CT")
    user.host.show_volumes(scan)
    user.choose(scan)
    user.click()
    assert is_synthetic(user.finish())

    def things(stalls):
        with stalls.of("checkerboard"):
            user.ui.modeSelector.currentIndex = 1
            user.wait(lambda: len(user.synthetic()) == 2)
        with stalls.of("another field"):
            user.ui.amountSlider.value = 45
            user.wait(lambda: len(user.synthetic()) == 1)
            user.wait(lambda: len(user.synthetic()) == 2)
        with stalls.of("flicker"):
            user.ui.modeSelector.currentIndex = 2
            user.host.spin(1.5)
        with stalls.of("blend"):
            user.ui.modeSelector.currentIndex = 0
            user.ui.amountSlider.value = 40
        user.ui.modeSelector.currentIndex = 1
        user.ui.amountSlider.value = 20
        user.ui.modeSelector.currentIndex = 0

    never_waits(things)
