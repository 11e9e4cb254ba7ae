"""The module itself: what Slicer is told, what it costs to have it, sample data."""

import runpy
import subprocess
import sys
import time
import unittest
from pathlib import Path

import numpy as np
import psutil
import pytest
import slicer

from SynthLogic.scene import volume_of

from .test_files_left import files, looked_at, mapped

pytestmark = pytest.mark.alone

ROOT = Path(__file__).resolve().parents[2]
SLICERS_TEST = "CrossModalSynthTranslateTest"
IN_A_FRESH_PROCESS = """
import os, sys, time
os.environ["QT_QPA_PLATFORM"] = "offscreen"
sys.path.insert(0, "Testing")
from harness.host import Host
host = Host()
path = "CrossModalSynth/CrossModalSynth.py"
start = time.perf_counter()
exec(compile(open(path).read(), path, "exec"), {"__name__": "CrossModalSynth", "__file__": path})
seconds = time.perf_counter() - start
widget = host.load_module(path)
import slicer, SampleData
[ct, mr] = SampleData.SampleDataLogic().press("SimulatedThorax1")
widget.translatePanel._parameters.scan = ct
host.wait(lambda: widget.translatePanel._answer is not None, 120)
widget.ui.tabs.currentIndex = 1
host.wait(lambda: widget.modelsPanel.ui.modelList.count > 0, 60)
heavy = [name for name in ("torch", "monai", "pydantic", "lightning") if name in sys.modules]
host.check()
host.quit()
print("RESULT", seconds, heavy)
"""


def test_metadata(host, module):
    parent = slicer.app.moduleManager().module("CrossModalSynth").parent
    assert parent.title == "Cross-Modal Synthesis"
    assert list(parent.categories) == ["Image Synthesis"]
    assert parent.contributors
    assert "not for diagnosis" in parent.helpText
    assert len(parent.acknowledgementText) > 20
    assert "not for diagnosis" in module.ui.bannerLabel.text


def test_import_is_quick_and_torch_stays_out_of_the_window():
    answer = subprocess.run(
        [sys.executable, "-c", IN_A_FRESH_PROCESS], cwd=ROOT, capture_output=True, text=True, check=False
    )
    [line] = [line for line in answer.stdout.splitlines() if line.startswith("RESULT")] or [answer.stderr]
    assert line.startswith("RESULT"), line
    _, seconds, heavy = line.split(maxsplit=2)
    assert float(seconds) < 0.3
    assert heavy == "[]"


def test_sample_data(host, module):
    import SampleData

    sources = SampleData.SampleDataLogic.sampleDataSourcesByCategory("CrossModalSynth")
    assert [source.sampleName for source in sources] == ["SimulatedThorax1", "SimulatedThorax2"]
    for source in sources:
        assert Path(source.thumbnailFileName).is_file()
    [ct, mr] = SampleData.SampleDataLogic().press("SimulatedThorax2")
    assert ct.GetName() == "SimulatedThorax2 CT"
    assert volume_of(ct).grid.is_close(volume_of(mr).grid)
    assert volume_of(ct).array.min() < -900
    assert not np.array_equal(volume_of(ct).array, volume_of(mr).array)


@pytest.mark.parametrize("missing", [set(), {"torch", "pydantic"}], ids=["all there", "no torch"])
def test_what_slicers_ctest_runs(host, module, missing):
    """The tests that are built with the extension pass, with the worker's libraries and without."""
    host.packages.missing = missing
    module.translatePanel.installation._complete = False
    names = runpy.run_path(str(ROOT / "CrossModalSynth" / "Testing" / "Python" / f"{SLICERS_TEST}.py"))
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(names[SLICERS_TEST])
    outcome = unittest.TestResult()
    suite.run(outcome)
    assert outcome.testsRun == 3
    assert [*outcome.errors, *outcome.failures, *outcome.skipped] == []


def test_200_runs_leave_no_memory_behind(user, host):
    from SynthLogic.phantoms import make_subject
    from SynthLogic.scene import remove_result

    scan = make_subject(5, shape=(16, 40, 40), spacing=(9.0, 9.0, 9.0)).ct
    user.choose(user.add(scan, "CT"))
    process = psutil.Process()

    def run(times):
        for _ in range(times):
            user.click()
            remove_result(host.scene, user.finish())
            user.ui.logText.clear()

    run(20)
    before = process.memory_info().rss
    run(200)
    assert process.memory_info().rss - before < 20e6
    host.spin(0.1)
    assert files(user) == looked_at(user)
    assert mapped() == set()


def test_the_second_run_starts_at_once(user, subject):
    user.choose(user.add(subject.ct, "CT"))
    user.click()
    user.finish()
    start = time.perf_counter()
    user.click()
    user.wait(lambda: user.panel.runs and user.panel.runs[0]._run and user.panel.runs[0]._run.step)
    assert time.perf_counter() - start < 0.1
    user.finish()
