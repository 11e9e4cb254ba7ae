"""Run a TranslateRequest: read, check, choose a bundle, translate, write image and record."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from SynthLogic.bundles import Bundle
from SynthLogic.errors import InputError
from SynthLogic.inference import CancelCallback, Monitor, ProgressCallback
from SynthLogic.inference.region import checked_region
from SynthLogic.jobs.check import CheckReport, check_scan
from SynthLogic.jobs.choose import choose_bundle
from SynthLogic.jobs.output import check_output, check_space, failing_as_output, file_sha256, publish, staging
from SynthLogic.jobs.record import (
    DEVIATION_MARK,
    MARK,
    InputId,
    OutputId,
    Record,
    bundle_id,
    disagreement_path,
    record_path,
)
from SynthLogic.jobs.requests import TranslateRequest
from SynthLogic.jobs.warm import Warm
from SynthLogic.volume import Grid, Scan, Volume, content_hash, read_volume, write_volume

if TYPE_CHECKING:
    from SynthLogic.inference import EngineResult

StrPath = str | os.PathLike[str]


def translate_volume(
    request: TranslateRequest,
    scan: Scan,
    progress: ProgressCallback | None = None,
    cancel: CancelCallback | None = None,
    *,
    bundle: Bundle | None = None,
    region: NDArray[Any] | None = None,
    warm: Warm | None = None,
) -> tuple[EngineResult, Record]:
    """Check and translate a scan that is in memory; writes no file.

    Args:
        request: what to do.
        scan: the input; its array is not changed.
        progress: told after each batch.
        cancel: asked between all steps.
        bundle: to use instead of the installed one of that name.
        region: (K, J, I), not 0 where a result is wanted; elsewhere the card's background is put.
        warm: engines and reports kept from earlier runs; by default everything is made anew.

    Returns:
        The result on exactly the scan's grid, and its record.

    Raises:
        InputError, BundleError, DeviceError, Cancelled: see there.
    """
    chosen, why = choose_bundle(request, bundle)
    warm = warm or Warm()
    job = _checked(scan, request, chosen, why, region, warm, Monitor(None, cancel))
    return _run(job, warm, progress, cancel)


def translate(
    request: TranslateRequest,
    input_path: StrPath,
    output_path: StrPath,
    progress: ProgressCallback | None = None,
    cancel: CancelCallback | None = None,
    *,
    bundle: Bundle | None = None,
    region_path: StrPath | None = None,
) -> Record:
    """Translate a file or DICOM folder into a file, with its record beside it.

    The files appear together, complete, or not at all. OUTPUT.nii.gz gets OUTPUT.record.json and, if asked
    for, OUTPUT.disagreement.nii.gz.

    Args:
        request: what to do.
        input_path: .nii, .nii.gz, .nrrd, .mha, or a folder with one DICOM series; only read.
        output_path: .nii, .nii.gz, .nrrd or .mha; replaced if it exists.
        progress: told after each batch.
        cancel: asked between all steps.
        bundle: to use instead of the installed one of that name.
        region_path: an image on the scan's grid, not 0 where a result is wanted; elsewhere the card's
            background is put.

    Raises:
        InputError, BundleError, DeviceError, OutputError, Cancelled: see there; nothing is written then.
    """
    region = None if region_path is None else Path(region_path)
    return run_files(request, Path(input_path), Path(output_path), region, progress, cancel, bundle)


@dataclass(frozen=True)
class _Job:
    """What was read, checked and chosen; ``seen`` is the scan as it lies in the world."""

    request: TranslateRequest
    scan: Scan
    seen: Volume
    bundle: Bundle
    why: str
    region: NDArray[np.bool_] | None
    report: CheckReport


def _checked(
    scan: Scan,
    request: TranslateRequest,
    bundle: Bundle,
    why: str,
    region: NDArray[Any] | None,
    warm: Warm,
    monitor: Monitor,
) -> _Job:
    if request.disagreement and len(request.planes or ()) < 2:
        raise InputError(
            "Disagreement needs at least two planes of a bundle that was trained for them; use --planes."
        )
    seen = scan.volume
    if request.parent_transform is not None:
        seen = seen.under(np.asarray(request.parent_transform))
    inside = None if region is None else checked_region(region, scan.volume.shape)

    def check() -> CheckReport:
        return monitor.interruptible(lambda: check_scan(replace(scan, volume=seen), bundle.card))

    report = warm.report(scan, seen, bundle, check)
    report.raise_if_stopped(request.force)
    return _Job(request, scan, seen, bundle, why, inside, report)


def _run(
    job: _Job, warm: Warm, progress: ProgressCallback | None, cancel: CancelCallback | None
) -> tuple[EngineResult, Record]:
    request, scan = job.request, job.scan
    # Loading may have to import torch and MONAI first.
    monitor = Monitor(None, cancel)
    engine = monitor.interruptible(lambda: warm.engine(job.bundle, request.device, request.precision))
    from SynthLogic.inference import device_name

    result = engine.run(
        job.seen,
        planes=request.planes,
        seed=request.seed,
        batch=request.batch,
        progress=progress,
        cancel=cancel,
        region=job.region,
    )
    place = scan.volume.ijk_to_ras
    deviation = result.disagreement if request.disagreement else None
    result = replace(
        result,
        volume=Volume(result.volume.array, place),
        disagreement=None if deviation is None else Volume(deviation.array, place),
    )
    doubts = tuple(f.message for f in job.report.findings if f.level == "warning")
    grid = scan.volume.grid
    record = Record(
        request=request,
        bundle=bundle_id(job.bundle),
        choice=job.why,
        seed=request.seed,
        device=result.device,
        device_name=device_name(engine.device),
        precision=result.precision,
        batch=result.batch,
        planes=result.planes,
        input=InputId(content_hash=scan.content_hash, shape=grid.shape, spacing=grid.spacing),
        region_hash=None if job.region is None else content_hash(Volume(job.region, place)),
        output=OutputId(
            content_hash=content_hash(result.volume),
            disagreement_content_hash=None
            if result.disagreement is None
            else content_hash(result.disagreement),
        ),
        check=job.report,
        warnings=(*doubts, *result.warnings),
        timings={name: round(seconds, 4) for name, seconds in result.timings.items()},
    )
    return result, record


def run_files(
    request: TranslateRequest,
    source: Path,
    output: Path,
    region: Path | None,
    progress: ProgressCallback | None,
    cancel: CancelCallback | None,
    bundle: Bundle | None,
    expected: Record | None = None,
) -> Record:
    """What ``translate`` does; with a record ``expected``, only for the scan and region that it names."""
    monitor = Monitor(None, cancel)
    beside = [record_path(output), *([disagreement_path(output)] if request.disagreement else [])]
    for taken in (source, *([region] if region else [])):
        check_output(taken, output, beside)
    chosen, why = choose_bundle(request, bundle)
    start = time.perf_counter()
    scan = monitor.interruptible(lambda: read_volume(source))
    mask = None if region is None else monitor.interruptible(lambda: _read_region(region, scan.volume.grid))
    if expected is not None:
        _same_input(expected, scan, mask)
    read_s = time.perf_counter() - start
    start = time.perf_counter()
    warm = Warm()
    job = _checked(scan, request, chosen, why, mask, warm, monitor)
    check_s = time.perf_counter() - start
    item = np.dtype(job.bundle.card.output.dtype).itemsize + (4 if request.disagreement else 0)
    check_space(output, math.prod(scan.volume.shape) * item)
    result, record = _run(job, warm, progress, cancel)
    timings = {"read": round(read_s, 4), "check": round(check_s, 4), **record.timings}
    with staging(output) as folder:
        start = time.perf_counter()
        record = _write(record, result, output, folder, timings, monitor, start)
    return record


def _read_region(path: Path, grid: Grid) -> NDArray[np.bool_]:
    volume = read_volume(path).volume
    if not volume.grid.is_close(grid):
        raise InputError(f"The region {path.name} does not lie on the scan's grid; resample it there first.")
    return checked_region(volume.array, grid.shape)


def _same_input(record: Record, scan: Scan, region: NDArray[np.bool_] | None) -> None:
    if scan.content_hash != record.input.content_hash:
        raise InputError(
            "The input is not the scan of the record (its content hash differs); name that scan."
        )
    there = None if region is None else content_hash(Volume(region, scan.volume.ijk_to_ras))
    if there != record.region_hash:
        if record.region_hash is None:
            raise InputError("The record is of the whole scan; leave out the region.")
        raise InputError("The record is of another region of the scan; name the region that was used then.")


def _write(
    record: Record,
    result: EngineResult,
    output: Path,
    folder: Path,
    timings: dict[str, float],
    monitor: Monitor,
    start: float,
) -> Record:
    """Write all files into ``folder``, then put them in place together."""
    image = folder / output.name
    monitor.interruptible(lambda: write_volume(image, result.volume, MARK))
    prepared = [(image, output)]
    deviation = result.disagreement
    if deviation is not None:
        extra = folder / disagreement_path(output).name
        monitor.interruptible(lambda: write_volume(extra, deviation, DEVIATION_MARK))
        prepared.append((extra, disagreement_path(output)))
    with failing_as_output(output.name):
        made = record.output.model_copy(
            update={
                "file_sha256": file_sha256(image),
                "disagreement_sha256": None if deviation is None else file_sha256(prepared[1][0]),
            }
        )
        timings = {**timings, "write": round(time.perf_counter() - start, 4)}
        record = record.model_copy(update={"output": made, "timings": timings})
        text = folder / record_path(output).name
        text.write_bytes(record.to_json().encode())
    prepared.append((text, record_path(output)))
    monitor.check()
    publish(prepared, folder)
    return record


__all__ = ["run_files", "translate", "translate_volume"]
