"""A worker that dies, hangs or talks nonsense is reported as what it was, and the next job works."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from SynthLogic.worker import Translated
from SynthLogic.worker.voxels import PREFIX

pytestmark = pytest.mark.alone

TO_MR = {"target": "MR", "device": "cpu", "model": "tiny-ct-to-mr"}
posix = pytest.mark.skipif(os.name == "nt", reason="signals")


@posix
def test_killed_in_the_middle_is_said_and_the_next_run_works(start, long_volume, volume):
    worker, verdicts = start(), []
    upload, other = worker.upload(long_volume), worker.upload(volume)
    run = worker.client.translate(TO_MR, upload, failed=verdicts.append, finished=verdicts.append)
    after = worker.client.translate(TO_MR, other)
    worker.until(lambda: run.step is not None and run.step.done > 0)
    os.kill(worker.transport.pid, signal.SIGKILL)
    worker.until(lambda: verdicts)
    assert len(verdicts) == 1
    assert verdicts[0].kind == "Killed"
    assert "SIGKILL" in verdicts[0].message
    assert "memory ran out" in verdicts[0].message
    assert "\n" not in verdicts[0].message
    # The one that waited gets a worker of its own.
    assert isinstance(worker.outcome(after), Translated)
    assert len(verdicts) == 1
    worker.tidy()


@posix
@pytest.mark.parametrize(
    ("number", "kind"), [(signal.SIGSEGV, "Crashed"), (signal.SIGABRT, "Crashed"), (signal.SIGTERM, "Killed")]
)
def test_every_signal_by_its_name(misbehaving, number, kind):
    run = misbehaving.client.submit("release", {"what": "deaf"})
    misbehaving.until(lambda: run.step is not None)
    os.kill(misbehaving.transport.pid, number)
    failure = misbehaving.outcome(run)
    assert failure.kind == kind
    assert number.name in failure.message
    assert "run again" in failure.message
    assert number.name in failure.detail
    assert ("most recent call first" in failure.detail) == (kind == "Crashed")


def test_memory_error_and_the_unforeseen_keep_the_worker(misbehaving):
    failure = misbehaving.do("release", what="memory")
    assert failure.kind == "MemoryError"
    assert "memory ran out" in failure.message
    pid = misbehaving.transport.pid
    failure = misbehaving.do("release", what="raise")
    assert failure.kind == "Unexpected"
    assert "RuntimeError" in failure.message
    assert "Traceback" in failure.detail
    assert "Traceback" not in failure.message
    assert str(Path.home()) + "/x" not in failure.detail
    assert misbehaving.do("release", what="leave").kind == "Unexpected"
    assert misbehaving.do("nonsense").kind == "ConfigError"
    assert misbehaving.transport.pid == pid


def test_exit_in_the_middle(misbehaving):
    failure = misbehaving.do("release", what="exit")
    assert failure.kind == "Crashed"
    assert "exit code 3" in failure.message
    assert misbehaving.do("release", what="nothing") == {}


def test_rubbish_on_standard_output_of_a_library_is_log(misbehaving):
    assert misbehaving.answer("release", what="print") == {"read": 0}
    for part in ("from Python", "from C", "from a child"):
        misbehaving.until(lambda part=part: f"rubbish {part}" in misbehaving.client.log_text)


def test_rubbish_in_the_protocol_ends_the_worker(misbehaving):
    failure = misbehaving.do("release", what="garbage")
    assert failure.kind == "Unexpected"
    assert "protocol" in failure.message
    assert "not the protocol" in failure.detail
    assert misbehaving.do("release", what="nothing") == {}


def test_a_worker_that_does_not_obey_is_killed_and_the_queue_goes_on(misbehaving, alive):
    run = misbehaving.client.submit("release", {"what": "deaf"})
    after = misbehaving.client.submit("release", {"what": "nothing"})
    misbehaving.until(lambda: run.step is not None)
    pid = misbehaving.transport.pid
    start = time.monotonic()
    misbehaving.client.cancel(run)
    misbehaving.until(lambda: run.outcome is not None, 5)
    assert time.monotonic() - start < 2
    assert run.outcome.kind == "Cancelled"
    assert not alive(pid)
    assert misbehaving.outcome(after) == {}


def test_close_gives_every_run_its_verdict_and_ends_the_worker(misbehaving, alive):
    verdicts = []
    runs = [misbehaving.client.submit("release", {"what": "deaf"}, failed=verdicts.append) for _ in range(3)]
    misbehaving.until(lambda: runs[0].step is not None)
    pid = misbehaving.transport.pid
    misbehaving.client.close()
    assert [v.kind for v in verdicts] == ["Cancelled"] * 3
    misbehaving.until(lambda: not misbehaving.transport.running, 2)
    assert not alive(pid)
    assert len(verdicts) == 3
    with pytest.raises(RuntimeError):
        misbehaving.client.submit("models")


@pytest.mark.parametrize("command", [["/nowhere/python"], [sys.executable, "-c", "raise SystemExit(5)"]])
def test_a_worker_that_cannot_start_fails_all_that_wait(start, command):
    harness = start(command=command)
    runs = [harness.client.submit("models") for _ in range(2)]
    failures = [harness.outcome(run) for run in runs]
    assert [f.kind for f in failures] == ["NotStarted"] * 2
    assert "could not start" in failures[0].message
    assert harness.client.state == "off"


@pytest.mark.parametrize("package", ["torch", "pydantic"])
def test_a_missing_package_is_said_without_traceback(start, volume, tmp_path, package):
    shim = tmp_path / "shim"
    shim.mkdir()
    (shim / f"{package}.py").write_text(
        f"raise ModuleNotFoundError(\"No module named '{package}'\", name='{package}')\n"
    )
    harness = start(environment={**os.environ, "PYTHONPATH": str(shim)})
    upload = harness.upload(volume)
    failure = harness.outcome(harness.client.translate(TO_MR, upload))
    assert failure.kind == "MissingPackage"
    assert failure.data == {"packages": [package]}
    assert "is not installed" in failure.message
    assert "\n" not in failure.message
    tried = harness.answer("try_device")
    assert tried["works"] is False
    assert "is not installed" in tried["message"]
    assert tried["packages"] == [package]
    if package == "torch":
        # Looking at models and scans needs none.
        assert len(harness.answer("models")["bundles"]) >= 2
        assert harness.answer("check", scan=upload.reference())["report"]["modality"] == "CT"


GRANDPARENT = """
import sys, time
import numpy as np
from pathlib import Path
from SynthLogic.worker import Client, PipeTransport
from SynthLogic.worker.voxels import VoxelFolder
made = []
def connect(*listeners):
    made.append(PipeTransport(*listeners))
    return made[0]
client = Client(connect, folder=VoxelFolder([Path(sys.argv[1])]))
array = np.zeros((400, 96, 96), np.int16)
array[:, 20:70, 20:70] = np.random.default_rng(0).normal(40, 90, (400, 50, 50))
array[:, :10] = -1000
scan = client.upload(array, np.diag([2.0, 2, 2, 1])).complete()
run = client.translate(
    {"target": "MR", "device": "cpu", "model": "tiny-ct-to-mr", "force": True}, scan
)
while run.step is None or run.step.done == 0:
    made[0].pump(0.05)
    assert run.outcome is None, run.outcome
print(made[0].pid, flush=True)
time.sleep(60)
"""


@posix
def test_the_worker_ends_with_its_window_and_takes_the_voxels_along(store, tmp_path, alive):
    base = tmp_path / "voxels"
    base.mkdir()
    window = subprocess.Popen(
        [sys.executable, "-c", GRANDPARENT, str(base)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        text=True,
    )
    pid = int(window.stdout.readline())
    assert alive(pid)
    assert list(base.glob(f"{PREFIX}*/*.npy"))
    window.kill()
    start = time.monotonic()
    while alive(pid) and time.monotonic() - start < 5:
        time.sleep(0.02)
    assert not alive(pid)
    assert time.monotonic() - start < 2
    assert list(base.iterdir()) == []
    window.wait()
    window.stdout.close()


LAUNCHER = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-m", "SynthLogic.worker"])
sys.exit(child.wait())
"""


@posix
def test_the_worker_ends_with_the_launcher_that_stands_before_it(start, volume, alive):
    harness = start(command=[sys.executable, "-c", LAUNCHER])
    scan = harness.upload(volume).reference()
    first = harness.answer("check", scan=scan)
    worker = harness.client._worker.pid
    assert worker != harness.transport.pid
    os.kill(harness.transport.pid, signal.SIGKILL)
    start_s = time.monotonic()
    while alive(worker) and time.monotonic() - start_s < 5:
        time.sleep(0.02)
    assert time.monotonic() - start_s < 2.5
    harness.until(lambda: harness.client.state == "off")
    # The window lives on: its voxels were left alone.
    assert harness.answer("check", scan=scan) == first


@posix
def test_a_signal_through_a_launcher_is_recognised(start):
    harness = start(command=["sh", "-c", f"{sys.executable} -m SynthLogic.worker; exit $?"])
    harness.answer("models")
    run = harness.client.submit("try_device")
    os.kill(harness.client._worker.pid, signal.SIGKILL)
    assert harness.outcome(run).kind == "Killed"


@posix
def test_ctrl_c_meant_for_the_window_is_not_for_the_worker(worker):
    worker.answer("models")
    pid = worker.transport.pid
    os.kill(pid, signal.SIGINT)
    worker.answer("models")
    assert worker.transport.pid == pid
