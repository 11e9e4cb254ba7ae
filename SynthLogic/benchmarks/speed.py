"""How fast, in how much memory: ratios of things timed in one run on one machine."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from SynthLogic.benchmarks.cases import TEST_SEED, Report, environment, shipped
from SynthLogic.errors import Cancelled, SynthError
from SynthLogic.inference import Engine
from SynthLogic.jobs import TranslateRequest, translate
from SynthLogic.phantoms import make_subject
from SynthLogic.review.tables import Cell, Column, Table
from SynthLogic.volume import Volume, write_volume

Row = tuple[Cell, Cell, Cell, Cell]
_REPEATS = 3
_MOVING = ("read", "geometry", "intensity", "restore", "write")


def _best(work: Callable[[], object]) -> float:
    """Shortest of a few runs, in seconds, after one to warm up: the least disturbed one."""
    work()
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def plain_loop(network: torch.nn.Module, slices: torch.Tensor) -> torch.Tensor:
    """What one writes first: fp32, one slice at a time, default layout, to the device and back each time."""
    device = next(network.parameters()).device
    with torch.no_grad():
        return torch.cat([network(one[None].to(device)).cpu() for one in slices])


def _forward_ratio(volume: Volume, device: str, gate: float) -> Row:
    """Plain loop over the engine's forward passes, on the same slices with the same network."""
    bundle = shipped("ct-to-mr")
    engine = Engine(bundle, device)
    stack = torch.from_numpy(bundle.card.image_input.intensity.forward(volume)[0])[:, None]
    network = bundle.load_network().to(device)
    slow = _best(lambda: plain_loop(network, stack))
    engine.run(volume)
    fast = min(engine.run(volume).timings["forward"] for _ in range(_REPEATS))
    name = f"forward passes on {device}: plain fp32 loop / engine ({engine.precision})"
    return name, slow / fast, f"≥ {gate:g}", slow / fast >= gate


def _overhead(folder: Path, volume: Volume) -> list[Row]:
    """A run from file to file over its forward passes: what moves voxels, and all there is."""
    source, target = folder / "scan.nii.gz", folder / "result.nii.gz"
    write_volume(source, volume)
    moving, all_else = [], []
    for _ in range(_REPEATS + 1):
        start = time.perf_counter()
        seconds = translate(TranslateRequest(target="MR"), source, target).timings
        total = time.perf_counter() - start
        moving.append(sum(seconds[part] for part in _MOVING) / seconds["forward"])
        all_else.append(total / seconds["forward"] - 1)
    share = min(moving)
    return [
        ("reading, geometry, intensity, writing / forward passes", share, "≤ 0.15", share <= 0.15),
        ("the same with all checks, and loading the bundle", min(all_else), "", None),
    ]


def _linear(volume: Volume) -> Row:
    """Seconds per slice of 128 slices over those of 32."""
    engine = Engine(shipped("ct-to-mr"))
    part = Volume(volume.array[48:80], volume.ijk_to_ras)
    many, few = (_best(lambda v=v: engine.run(v)) for v in (volume, part))  # type: ignore[misc]
    ratio = (many / volume.shape[0]) / (few / part.shape[0])
    return "seconds per slice: 128 slices / 32 slices", ratio, "0.8 to 1.2", 0.8 <= ratio <= 1.2


def _precision(volume: Volume) -> Row:
    bundle = shipped("mr-to-ct")
    exact = Engine(bundle, "cpu", "fp32").run(volume).volume.array.astype(np.float32)
    quick = Engine(bundle, "cpu", "bf16", unmeasured=True).run(volume).volume.array
    difference = float(np.abs(exact - quick).mean())
    return "bf16 against fp32, MR to CT, mean difference (HU)", difference, "≤ 2", difference <= 2


def _deterministic(volume: Volume) -> Row:
    first, second = (Engine(shipped("mr-to-ct")).run(volume, seed=3).volume.array for _ in range(2))
    same = bool(np.array_equal(first, second))
    return "same seed and device: same bits", same, "yes", same


def _cancel(folder: Path, volume: Volume) -> Row:
    """Seconds from the wish to cancel, after the first batch, to the end of the run; nothing may stay."""
    source, target = folder / "scan.nii.gz", folder / "cancelled" / "result.nii.gz"
    write_volume(source, volume)
    target.parent.mkdir()
    asked: list[float] = []
    ended = None
    try:
        translate(
            TranslateRequest(target="MR"),
            source,
            target,
            progress=lambda p: asked.append(time.perf_counter()) if p.done and not asked else None,
            cancel=lambda: bool(asked),
        )
    except Cancelled:
        ended = time.perf_counter() - asked[0]
    clean = ended is not None and ended < 2 and not list(target.parent.iterdir())
    return "cancel to idle (s), nothing left behind", ended, "< 2", clean


def _large_scan(subject_ct: Volume) -> Volume:
    """A 512x512x400 CT of 352 x 352 x 256 mm, from a phantom's voxels."""
    k, j, i = subject_ct.shape
    square = np.full((k, i, i), -1000, np.int16)
    square[:, (i - j) // 2 : (i - j) // 2 + j] = subject_ct.array
    take = [np.arange(n) * m // n for n, m in zip((400, 512, 512), square.shape, strict=True)]
    matrix = np.diag([352 / 512, 352 / 512, 256 / 400, 1.0])
    matrix[:3, 3] = (-176, -176, -128)
    return Volume(square[np.ix_(*take)], matrix)


def _peak_memory(folder: Path, volume: Volume) -> list[Row]:
    source, target = folder / "large.nii.gz", folder / "large-mr.nii.gz"
    write_volume(source, _large_scan(volume))
    command = [sys.executable, "-m", "SynthLogic.cli", "translate", str(source), str(target)]
    start = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--to", "MR", "--device", "cpu", "--json"], stdout=subprocess.DEVNULL
    )
    peak = _watch(process)
    seconds = time.perf_counter() - start
    if process.returncode != 0:
        raise SynthError(
            "The run on the large scan failed: try `crossmodalsynth translate` on a large CT yourself."
        )
    return [
        ("peak memory, 512x512x400 CT on the CPU (GB)", peak, "≤ 2.5", peak <= 2.5),
        ("that scan from file to file (s)", seconds, "", None),
    ]


def _watch(process: subprocess.Popen[bytes]) -> float:
    """Wait for a process; its peak resident memory in GB (10^9 bytes)."""
    if hasattr(os, "wait4"):
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return float(usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)) / 1e9
    import psutil

    peak = 0
    while process.poll() is None:
        try:
            peak = max(peak, psutil.Process(process.pid).memory_info().rss)
        except psutil.Error:
            break
        time.sleep(0.02)
    process.wait()
    return peak / 1e9


def _phantom() -> Row:
    def make() -> None:
        make_subject(TEST_SEED, 1, shape=(128, 128, 128), spacing=(2.5, 2.5, 2.5))

    seconds = _best(make)
    return "simulating a 128x128x128 subject (s)", seconds, "≤ 5", seconds <= 5


def speed_tables(report: Report) -> list[Table]:
    """Every speed and memory gate, measured one after the other."""
    subject = make_subject(TEST_SEED, 0)
    ct, mr = subject.ct, subject.mr
    middle = Volume(ct.array[48:80], ct.ijk_to_ras)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        steps: list[Callable[[], Row | list[Row]]] = [
            lambda: _forward_ratio(middle, "cpu", 1.5),
            lambda: _overhead(folder, ct),
            lambda: _linear(ct),
            lambda: _precision(mr),
            lambda: _deterministic(Volume(mr.array[48:80], mr.ijk_to_ras)),
            lambda: _cancel(folder, ct),
            lambda: _peak_memory(folder, ct),
            _phantom,
        ]
        if torch.cuda.is_available():
            steps.insert(1, lambda: _forward_ratio(ct, "cuda:0", 4.0))
        else:
            rows.append(("forward passes on a GPU: plain fp32 loop / engine", None, "≥ 4", None))
        for number, step in enumerate(steps):
            report(number, len(steps), "measurements")
            made = step()
            rows += made if isinstance(made, list) else [made]
        report(len(steps), len(steps), "measurements")
    columns = (Column("what"), Column("measured", "", 3), Column("wanted"), Column("reached"))
    notes = ("A dash: not measured, this machine has no GPU, or no gate.", environment())
    return [Table("Speed and memory", columns, tuple(rows), notes)]
