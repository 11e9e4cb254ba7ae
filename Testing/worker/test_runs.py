"""Runs through a real worker process: the same voxels as without it, and nothing left of it."""

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from SynthLogic.jobs import TranslateRequest, translate_volume
from SynthLogic.volume import Scan, ScanMeta, content_hash
from SynthLogic.worker import Failure, Translated, copy_in_steps

pytestmark = pytest.mark.alone

TO_MR = {"target": "MR", "device": "cpu", "model": "tiny-ct-to-mr"}


def scan_of(volume):
    return Scan(volume, ScanMeta("memory", "memory", None, volume.array.dtype.name), content_hash(volume))


def comparable(record):
    return {k: v for k, v in record.items() if k not in ("timings", "created")}


def test_same_voxels_and_record_as_without_the_worker(worker, volume):
    direct, record = translate_volume(TranslateRequest(**TO_MR), scan_of(volume))
    upload = worker.upload(volume)
    result = worker.outcome(worker.client.translate(TO_MR, upload))
    assert isinstance(result, Translated), result
    assert result.array.dtype == direct.volume.array.dtype
    np.testing.assert_array_equal(result.array, direct.volume.array)
    assert result.disagreement is None
    assert comparable(result.record) == comparable(record.model_dump(mode="json"))
    copy = np.empty_like(result.array)
    *_, last = copy_in_steps(result.array, copy, 4096)
    assert last == 1
    np.testing.assert_array_equal(copy, direct.volume.array)
    result.close()
    assert len(worker.files()) == 1
    upload.release()
    assert worker.files() == []


def test_region_and_parent_transform_reach_the_run(worker, volume):
    region = np.zeros(volume.shape, np.uint8)
    region[4:7, 5:9, 6:20] = 1
    parent = np.eye(4)
    parent[:3, 3] = 5, 6, 7
    request = {**TO_MR, "parent_transform": parent.tolist()}
    direct, record = translate_volume(TranslateRequest(**request), scan_of(volume), region=region)
    mask = worker.upload(volume.with_array(region))
    result = worker.outcome(worker.client.translate(request, worker.upload(volume), region=mask))
    np.testing.assert_array_equal(result.array, direct.volume.array)
    assert result.record["region_hash"] == record.region_hash is not None


def test_float64_is_taken_as_float32_and_nan_is_refused(worker, volume):
    whole = worker.outcome(
        worker.client.translate(TO_MR, worker.upload(volume.with_array(volume.array.astype(np.float64))))
    )
    direct, _ = translate_volume(
        TranslateRequest(**TO_MR), scan_of(volume.with_array(volume.array.astype(np.float32)))
    )
    np.testing.assert_array_equal(whole.array, direct.volume.array)
    flawed = volume.array.astype(np.float32)
    flawed[3, 3, 3] = np.nan
    failure = worker.outcome(worker.client.translate(TO_MR, worker.upload(volume.with_array(flawed))))
    assert failure.kind == "InputError"
    assert "NaN" in failure.message


def test_progress_is_monotone_ends_and_tells_seconds_left(worker, long_volume):
    steps = []
    run = worker.client.translate(TO_MR, worker.upload(long_volume), progress=steps.append)
    assert isinstance(worker.outcome(run), Translated)
    fractions = [step.fraction for step in steps]
    assert fractions[0] == 0
    assert fractions[-1] == 1
    assert fractions == sorted(fractions)
    assert len(fractions) >= 3
    assert {step.unit for step in steps} == {"slices"}
    left = [step.seconds_left for step in steps if step.seconds_left is not None]
    assert left[0] > left[-1] == 0


def test_two_queued_runs_come_in_order(worker, volume):
    order = []
    upload = worker.upload(volume)
    first, second = (
        worker.client.translate(
            {**TO_MR, "seed": seed}, upload, finished=lambda result, seed=seed: order.append(seed)
        )
        for seed in (1, 2)
    )
    upload.release()
    worker.until(lambda: second.outcome is not None)
    assert order == [1, 2]
    assert [run.outcome.record["seed"] for run in (first, second)] == [1, 2]
    assert worker.files() == []


def test_cancel_halfway_is_idle_in_two_seconds_and_leaves_nothing(worker, long_volume, volume):
    failures = []
    upload = worker.upload(long_volume)
    run = worker.client.translate(TO_MR, upload, failed=failures.append)
    worker.until(lambda: run.step is not None and run.step.fraction > 0.1)
    start = time.monotonic()
    worker.client.cancel(run)
    assert worker.client.state == "stopping"
    worker.until(lambda: worker.client.state in ("idle", "off"), 5)
    assert time.monotonic() - start < 2
    assert [f.kind for f in failures] == ["Cancelled"]
    upload.release()
    assert worker.files() == []
    assert isinstance(worker.outcome(worker.client.translate(TO_MR, worker.upload(volume))), Translated)


def test_a_waiting_run_is_cancelled_at_once_and_the_running_one_goes_on(worker, volume):
    upload = worker.upload(volume)
    first, second = (worker.client.translate(TO_MR, upload) for _ in range(2))
    worker.client.cancel(second)
    assert second.outcome.kind == "Cancelled"
    assert isinstance(worker.outcome(first), Translated)


def test_second_run_starts_within_a_tenth_of_a_second(worker, volume):
    upload = worker.upload(volume)
    worker.answer("check", scan=upload.reference())
    worker.outcome(worker.client.translate(TO_MR, upload))
    waits = []
    for seed in range(5):
        began = []
        start = time.perf_counter()
        run = worker.client.translate(
            {**TO_MR, "seed": seed},
            upload,
            progress=lambda step, began=began: began.append(time.perf_counter()),
        )
        worker.outcome(run)
        waits.append(began[0] - start)
    # Other processes may take the processor away for a moment; a run that starts cold takes seconds.
    assert min(waits) < 0.1, waits


def test_the_scan_is_checked_once(volume, tmp_path, start):
    counting = tmp_path / "counting.py"
    counting.write_text(
        "import sys, SynthLogic.jobs, SynthLogic.worker.scans as scans\n"
        "module = sys.modules['SynthLogic.jobs.translate']\n"
        "def count(name, function):\n"
        "    def run(*a, **k):\n"
        "        sys.stderr.write(f'<{name}>')\n"
        "        return function(*a, **k)\n"
        "    return run\n"
        "module.check_scan = count('check', module.check_scan)\n"
        "scans.content_hash = count('hash', scans.content_hash)\n"
        "from SynthLogic.worker.server import main\n"
        "main()\n"
    )
    counted = start(command=[sys.executable, str(counting)])
    upload = counted.upload(volume)
    for _ in range(3):
        assert isinstance(counted.outcome(counted.client.translate(TO_MR, upload)), Translated)
    other = counted.upload(volume.with_array(volume.array + 1))
    assert isinstance(counted.outcome(counted.client.translate(TO_MR, other)), Translated)
    counted.until(lambda: counted.client.log_text.count("done") == 4)
    assert counted.client.log_text.count("<check>") == 2
    assert counted.client.log_text.count("<hash>") == 2


def test_release_puts_the_worker_down_and_the_next_run_starts_another(worker, volume, alive):
    upload = worker.upload(volume)
    run = worker.client.translate(TO_MR, upload)
    worker.until(lambda: worker.client.state == "busy")
    pid = worker.transport.pid
    worker.client.release()
    worker.until(lambda: worker.client.state == "off")
    assert isinstance(run.outcome, Translated)
    assert not alive(pid)
    assert isinstance(worker.outcome(worker.client.translate(TO_MR, upload)), Translated)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files in /proc")
def test_fifty_jobs_leave_no_open_files(worker, volume):
    def open_files(pid):
        return len(os.listdir(f"/proc/{pid}/fd")), len(Path(f"/proc/{pid}/maps").read_text().splitlines())

    def job():
        upload = worker.upload(volume)
        result = worker.outcome(worker.client.translate(TO_MR, upload))
        result.close()
        upload.release()

    for _ in range(5):
        job()
    pid = worker.transport.pid
    before = [open_files(process)[0] for process in (os.getpid(), pid)]
    for _ in range(50):
        job()
    assert [open_files(process)[0] for process in (os.getpid(), pid)] == before
    assert worker.files() == []
    assert ".npy" not in Path(f"/proc/{pid}/maps").read_text()
    assert ".npy" not in Path("/proc/self/maps").read_text()
    assert worker.transport.pid == pid


def test_a_failed_run_removes_its_files_and_names_no_path(worker, volume, tmp_path):
    upload = worker.upload(volume)
    failure = worker.outcome(worker.client.translate({"target": "CT", "device": "cpu"}, upload))
    assert isinstance(failure, Failure)
    assert failure.kind == "InputError"
    assert "CT" in failure.message
    assert "\n" not in failure.message
    assert worker.files() == [upload.path.name]
    wrong = worker.outcome(worker.client.translate({"target": "PET"}, upload))
    assert wrong.kind == "ConfigError"
    assert str(tmp_path) not in worker.client.log_text
    upload.path.unlink()
    gone = worker.outcome(worker.client.translate(TO_MR, upload))
    assert "choose the scan again" in gone.message


def test_an_error_in_a_callback_does_not_stop_the_queue(worker):
    def broken(answer):
        raise KeyError("in the skin")

    first = worker.client.submit("models", finished=broken)
    second = worker.client.submit("models")
    with pytest.raises(KeyError):
        worker.outcome(first)
    assert isinstance(worker.outcome(second), dict)
    assert isinstance(first.outcome, dict)
