"""However a run ends, no voxels stay behind: no file, and no mapping of one that has lost its name."""

import gc
import os
import signal

import numpy as np
import psutil

from SynthLogic.scene import is_synthetic
from SynthLogic.volume import Volume
from SynthLogic.worker.voxels import PREFIX


def files(user):
    """Paths of the voxels that lie in mapped files for the worker."""
    return {path for folder in user.widget.session.client.folder.folders for path in folder.glob("*.npy")}


def looked_at(user):
    """The only file that is still needed when nothing runs: the next run begins with it."""
    return {user.panel._look.upload.path}


def mapped(pid=None):
    """Voxels that a process still holds; on Linux a file without a name takes memory as long as that."""
    gc.collect()  # closures of what ended hold each other
    return {entry.path for entry in psutil.Process(pid).memory_maps() if PREFIX in entry.path}


def nothing_left(user):
    user.host.spin(0.1)
    assert files(user) == looked_at(user)
    assert mapped() == set()


def test_after_a_run_that_finished(user, subject, worker_pids):
    user.choose(user.add(subject.ct, "CT"))
    for _ in range(2):
        user.click()
        assert is_synthetic(user.finish())
        nothing_left(user)
    [worker] = worker_pids()
    assert mapped(worker) == set()


def test_after_another_scan_was_chosen(user, subject):
    user.choose(user.add(subject.ct, "CT"))
    first = looked_at(user)
    user.click()
    user.choose(user.add(subject.mr, "MR"))
    user.finish()
    nothing_left(user)
    assert not first & files(user)
    user.ui.scanSelector.setCurrentNode(None)
    user.wait(lambda: not files(user), 5)


def test_after_a_cancel_half_way(user, large_subject):
    user.choose(user.add(large_subject.ct, "CT"))
    user.click()
    user.half_way()
    user.ui.cancelButton.click()
    user.wait(lambda: not user.panel.runs and user.state in ("idle", "off"), 10)
    nothing_left(user)


def test_after_a_cancel_while_the_region_is_copied(user, large_subject, host):
    user.choose(user.add(large_subject.ct, "CT"))
    roi = host.scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "All")
    roi.SetSize(1000, 1000, 1000)
    user.ui.regionSelector.setCurrentNode(roi)
    user.click()
    [run] = user.panel.runs
    while run._maskUpload is None:
        host.app.processEvents()  # one step a turn
    assert run._run is None
    del run
    user.ui.cancelButton.click()
    user.wait(lambda: not user.panel.runs, 10)
    nothing_left(user)
    user.click()
    user.half_way()
    user.ui.cancelButton.click()
    user.wait(lambda: not user.panel.runs and user.state in ("idle", "off"), 10)
    nothing_left(user)


def test_after_a_run_that_failed(user, subject):
    user.choose(user.add(subject.ct, "CT"))
    user.panel._parameters.device = "cuda:7"
    user.click()
    user.wait(lambda: not user.panel.runs)
    assert user.ui.messageFrame.visible
    nothing_left(user)


def test_after_a_scan_that_cannot_be_looked_at(user, subject):
    array = subject.ct.array.astype(np.float32)
    array[1, 2, 3] = np.nan
    user.choose(user.add(Volume(array, subject.ct.ijk_to_ras), "Bad"))
    user.host.spin(0.1)
    assert user.ui.messageFrame.visible
    assert files(user) == set()
    assert mapped() == set()


def test_after_the_worker_was_killed(user, large_subject, worker_pids):
    user.choose(user.add(large_subject.ct, "CT"))
    user.click()
    user.half_way()
    for pid in worker_pids():
        os.kill(pid, signal.SIGKILL)
    user.wait(lambda: not user.panel.runs, 10)
    nothing_left(user)


def test_after_a_scan_was_removed(user, subject, host):
    scan = user.add(subject.ct, "CT")
    user.choose(scan)
    user.click()
    user.wait(lambda: user.panel.runs[0]._run is not None)
    host.scene.RemoveNode(scan)
    user.wait(lambda: not user.panel.runs)
    host.spin(0.1)
    assert files(user) == set()
    assert mapped() == set()


def test_after_the_scene_was_closed(user, large_subject, host):
    user.choose(user.add(large_subject.ct, "CT"))
    user.click()
    user.half_way()
    user.click()
    host.close_scene()
    user.wait(lambda: user.state in ("idle", "off"), 10)
    host.spin(0.1)
    assert files(user) == set()
    assert mapped() == set()
