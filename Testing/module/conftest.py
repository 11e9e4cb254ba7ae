"""The unmodified module in the harness: real MRML, real Qt, the real worker and the shipped bundles."""

import os
from pathlib import Path

import numpy as np
import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "CrossModalSynth" / "CrossModalSynth.py"
WAIT_S = 120


@pytest.fixture(scope="session")
def subject():
    """A simulated thorax, small and coarse: CT and MR (K, J, I)."""
    from SynthLogic.phantoms import make_subject

    return make_subject(5, shape=(40, 64, 64), spacing=(6.0, 6.0, 6.0))


@pytest.fixture(scope="session")
def large_subject():
    """One whose translation takes some seconds."""
    from SynthLogic.phantoms import make_subject

    return make_subject(5, shape=(128, 128, 128), spacing=(3.0, 3.0, 3.0))


@pytest.fixture(autouse=True)
def worker_pids():
    """A function that gives the process ids of the test's workers; other tests' may live in this process."""
    before = workers()
    return lambda: workers() - before


@pytest.fixture
def module(host, tmp_path, monkeypatch, worker_pids):
    """The module's widget, with an empty store of imported bundles; no worker may outlive it."""
    monkeypatch.setenv("CROSSMODALSYNTH_HOME", str(tmp_path / "home"))
    files = leftovers()
    widget = host.load_module(MODULE)
    yield widget
    host.unload_module("CrossModalSynth")
    host.wait(lambda: not worker_pids(), 5)
    assert leftovers() <= files


def workers():
    """Process ids of this process's workers."""
    found = set()
    for child in psutil.Process().children(recursive=True):
        try:
            if "SynthLogic.worker" in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                found.add(child.pid)
        except psutil.NoSuchProcess:
            continue
    return found


def leftovers():
    """Folders of this process with voxels; those of other windows are not ours."""
    from SynthLogic.worker.voxels import PREFIX, default_bases

    return {path for base in default_bases() for path in base.glob(f"{PREFIX}{os.getpid()}-*")}


class User:
    """What a user does with the module, and what they then see."""

    def __init__(self, host, widget):
        self.host, self.widget, self.panel = host, widget, widget.translatePanel
        self.ui = self.panel.ui

    def add(self, volume, name):
        from SynthLogic.scene import add_volume

        return add_volume(self.host.scene, volume, name)

    def choose(self, node):
        """Choose a scan in the selector and wait until the module has looked at it."""
        self.ui.scanSelector.setCurrentNode(node)
        self.wait(lambda: self.panel._answer is not None or self.ui.messageFrame.visible)

    def click(self):
        assert self.ui.synthesizeButton.enabled, self.ui.seenLabel.text
        self.ui.synthesizeButton.click()

    def wait(self, predicate, seconds=WAIT_S):
        self.host.wait(predicate, seconds)

    def finish(self):
        """Wait until no run is left; return the result that is compared with its scan."""
        self.wait(lambda: not self.panel.runs and self.panel._wanted is None)
        self.host.spin(0.05)
        return self.ui.resultSelector.currentNode()

    def half_way(self):
        """Wait until slices of the running run are done."""
        self.wait(lambda: self.panel.runs and self.ui.progressBar.value >= 10)

    def synthetic(self):
        from SynthLogic.scene import is_synthetic

        count = self.host.scene.GetNumberOfNodes()
        nodes = (self.host.scene.GetNthNode(n) for n in range(count))
        return [node for node in nodes if is_synthetic(node)]

    @property
    def state(self):
        return self.widget.session.client.state


@pytest.fixture
def user(host, module):
    return User(host, module)


@pytest.fixture(scope="session")
def expected():
    """What the command line makes of a volume: (K, J, I) and the record."""
    from SynthLogic.jobs import TranslateRequest, translate_volume
    from SynthLogic.volume import Scan, ScanMeta, Volume, content_hash

    def translated(volume, target, **request):
        # As in the scene: float64 is read as float32.
        array = volume.array.astype(np.float32) if volume.array.dtype == np.float64 else volume.array
        volume = Volume(array, volume.ijk_to_ras)
        meta = ScanMeta("memory", "memory", None, array.dtype.name)
        scan = Scan(volume, meta, content_hash(volume))
        result, record = translate_volume(TranslateRequest(target=target, **request), scan)
        return result.volume, record

    return translated
