"""Run a TranslateRequest: read, check, choose a bundle, translate, write image and record."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass, replace
from functools import partial
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
from SynthLogic.jobs.labels import checked_labels, read_labels
from SynthLogic.jobs.output import check_output, check_space, failing_as_output, file_sha256, publish, staging
from SynthLogic.jobs.record import (
    DEVIATION_MARK,
    LABELS_MARK,
    MARK,
    InputId,
    OutputId,
    Record,
    bundle_id,
    disagreement_path,
    label_map_path,
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
    labels: NDArray[Any] | None = None,
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
        labels: (K, J, I) label map of the scan, whole numbers from 0 to 255, for a bundle that translates
            one along.
        warm: engines and reports kept from earlier runs; by default everything is made anew.

    Returns:
        The result on exactly the scan's grid, and its record.

    Raises:
        InputError, BundleError, DeviceError, Cancelled: see there.
    """
    chosen, why = choose_bundle(request, bundle, labels=labels is not None)
    warm = warm or Warm()
    known = None if labels is None else checked_labels(labels)
    job = _checked(scan, request, chosen, why, region, known, warm, Monitor(None, cancel))
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
    labels_path: StrPath | None = None,
) -> Record:
    """Translate a file or DICOM folder into a file, with its record beside it.

    The files appear together, complete, or not at all. OUTPUT.nii.gz gets OUTPUT.record.json and, if asked
    for, OUTPUT.disagreement.nii.gz; with a label map also OUTPUT.labels.nii.gz.

    Args:
        request: what to do.
        input_path: .nii, .nii.gz, .nrrd, .mha, or a folder with one DICOM series; only read.
        output_path: .nii, .nii.gz, .nrrd or .mha; replaced if it exists.
        progress: told after each batch.
        cancel: asked between all steps.
        bundle: to use instead of the installed one of that name.
        region_path: an image on the scan's grid, not 0 where a result is wanted; elsewhere the card's
            background is put.
        labels_path: the scan's label map on the scan's grid, whole numbers from 0 to 255, for a bundle that
            translates one along.

    Raises:
        InputError, BundleError, DeviceError, OutputError, Cancelled: see there; nothing is written then.
    """
    region = None if region_path is None else Path(region_path)
    labels = None if labels_path is None else Path(labels_path)
    return run_files(request, Path(input_path), Path(output_path), region, labels, progress, cancel, bundle)


@dataclass(frozen=True)
class _Job:
    """What was read, checked and chosen; ``seen`` is the scan as it lies in the world."""

    request: TranslateRequest
    scan: Scan
    seen: Volume
    bundle: Bundle
    why: str
    region: NDArray[np.bool_] | None
    labels: NDArray[np.uint8] | None
    report: CheckReport


def _checked(
    scan: Scan,
    request: TranslateRequest,
    bundle: Bundle,
    why: str,
    region: NDArray[Any] | None,
    labels: NDArray[np.uint8] | None,
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
    return _Job(request, scan, seen, bundle, why, inside, labels, report)


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
        labels=job.labels,
    )
    place = scan.volume.ijk_to_ras
    deviation = result.disagreement if request.disagreement else None
    result = replace(
        result,
        volume=Volume(result.volume.array, place),
        labels=None if result.labels is None else Volume(result.labels.array, place),
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
        region_hash=_hash(job.region, place),
        labels_hash=_hash(job.labels, place),
        output=OutputId(
            content_hash=content_hash(result.volume),
            disagreement_content_hash=None
            if result.disagreement is None
            else content_hash(result.disagreement),
            labels_content_hash=None if result.labels is None else content_hash(result.labels),
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
    labels: Path | None,
    progress: ProgressCallback | None,
    cancel: CancelCallback | None,
    bundle: Bundle | None,
    expected: Record | None = None,
) -> Record:
    """What ``translate`` does; with a record ``expected``, only for the very inputs that it names."""
    monitor = Monitor(None, cancel)
    beside = [record_path(output), *([disagreement_path(output)] if request.disagreement else [])]
    beside += [label_map_path(output)] if labels else []
    for taken in (source, region, labels):
        if taken is not None:
            check_output(taken, output, beside)
    chosen, why = choose_bundle(request, bundle, labels=labels is not None)
    start = time.perf_counter()
    scan = monitor.interruptible(lambda: read_volume(source))
    mask = None if region is None else monitor.interruptible(lambda: _read_region(region, scan.volume.grid))
    known = None if labels is None else monitor.interruptible(lambda: read_labels(labels, scan.volume.grid))
    if expected is not None:
        _same_input(expected, scan, mask, known)
    read_s = time.perf_counter() - start
    start = time.perf_counter()
    warm = Warm()
    job = _checked(scan, request, chosen, why, mask, known, warm, monitor)
    check_s = time.perf_counter() - start
    item = np.dtype(job.bundle.card.output.dtype).itemsize
    item += (4 if request.disagreement else 0) + (1 if labels else 0)
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


def _hash(array: NDArray[Any] | None, ijk_to_ras: NDArray[np.float64]) -> str | None:
    return None if array is None else content_hash(Volume(array, ijk_to_ras))


def _same_input(
    record: Record, scan: Scan, region: NDArray[np.bool_] | None, labels: NDArray[np.uint8] | None
) -> None:
    if scan.content_hash != record.input.content_hash:
        raise InputError(
            "The input is not the scan of the record (its content hash differs); name that scan."
        )
    place = scan.volume.ijk_to_ras
    if _hash(region, place) != record.region_hash:
        if record.region_hash is None:
            raise InputError("The record is of the whole scan; leave out the region.")
        raise InputError("The record is of another region of the scan; name the region that was used then.")
    if _hash(labels, place) != record.labels_hash:
        if record.labels_hash is None:
            raise InputError("The record is of a scan without a label map; leave out the labels.")
        if labels is None:
            raise InputError("The record is of a scan with its label map; name that as well (--labels).")
        raise InputError(
            "The label map is not the one of the record (its content hash differs); name that one."
        )


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
    prepared: list[tuple[Path, Path]] = []
    hashes = {}
    for field, final, volume, mark in (
        ("file_sha256", output, result.volume, MARK),
        ("disagreement_sha256", disagreement_path(output), result.disagreement, DEVIATION_MARK),
        ("labels_sha256", label_map_path(output), result.labels, LABELS_MARK),
    ):
        if volume is not None:
            made = folder / final.name
            monitor.interruptible(partial(write_volume, made, volume, mark))
            prepared.append((made, final))
            with failing_as_output(output.name):
                hashes[field] = file_sha256(made)
    with failing_as_output(output.name):
        timings = {**timings, "write": round(time.perf_counter() - start, 4)}
        written = record.output.model_copy(update=hashes)
        record = record.model_copy(update={"output": written, "timings": timings})
        text = folder / record_path(output).name
        text.write_bytes(record.to_json().encode())
    prepared.append((text, record_path(output)))
    monitor.check()
    publish(prepared, folder)
    return record


__all__ = ["run_files", "translate", "translate_volume"]
