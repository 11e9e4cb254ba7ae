"""Run a TranslateRequest: read, check, choose a bundle, translate, write image and record."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from SynthLogic.bundles import Bundle, find, pick
from SynthLogic.errors import BundleError, ConfigError, InputError
from SynthLogic.inference import (
    OUT_OF_MEMORY,
    CancelCallback,
    Engine,
    EngineResult,
    Monitor,
    ProgressCallback,
    choose_device,
    device_name,
)
from SynthLogic.jobs.check import CheckReport, check_scan
from SynthLogic.jobs.output import check_output, check_space, failing_as_output, file_sha256, publish, staging
from SynthLogic.jobs.record import (
    DEVIATION_MARK,
    MARK,
    InputId,
    OutputId,
    Record,
    bundle_id,
    disagreement_path,
    read_record,
    record_path,
)
from SynthLogic.jobs.requests import TranslateRequest
from SynthLogic.volume import Scan, Volume, content_hash, read_volume, write_volume

StrPath = str | os.PathLike[str]


def choose_bundle(request: TranslateRequest, bundle: Bundle | None = None) -> tuple[Bundle, str]:
    """The bundle to run, its files verified, and one sentence why.

    Args:
        request: names an installed bundle, or none for the best one.
        bundle: one that was opened from a folder; it must have the name that the request gives.

    Raises:
        BundleError: none fits, it translates another way, or a file of it is not what the card says.
    """
    if bundle is not None:
        if request.model not in (None, bundle.card.name):
            raise BundleError(
                f"The request names bundle {request.model!r}, not {bundle.card.name!r}; name the same."
            )
        why = f"{bundle.card.name} {bundle.card.version} was asked for."
    elif request.model is not None:
        bundle = find(request.model)
        why = f"{bundle.card.name} {bundle.card.version} was asked for."
    else:
        bundle, why = pick(request.source, request.target)
    card = bundle.card
    if (card.input.modality, card.output.modality) != (request.source, request.target):
        raise BundleError(
            f"Bundle {card.name!r} makes {card.output.modality} from {card.input.modality}, "
            f"not {request.target} from {request.source}; choose another bundle or target."
        )
    bundle.verify_files()
    return bundle, why


def translate_volume(
    request: TranslateRequest,
    scan: Scan,
    progress: ProgressCallback | None = None,
    cancel: CancelCallback | None = None,
    *,
    bundle: Bundle | None = None,
) -> tuple[EngineResult, Record]:
    """Check and translate a scan that is in memory; writes no file.

    Args:
        request: what to do.
        scan: the input; its array is not changed.
        progress: told after each batch.
        cancel: asked between all steps.
        bundle: to use instead of the installed one of that name.

    Returns:
        The result on exactly the scan's grid, and its record.

    Raises:
        InputError, BundleError, DeviceError, Cancelled: see there.
    """
    chosen, why = choose_bundle(request, bundle)
    return _run(_checked(scan, request, chosen, why, Monitor(None, cancel)), progress, cancel)


def translate(
    request: TranslateRequest,
    input_path: StrPath,
    output_path: StrPath,
    progress: ProgressCallback | None = None,
    cancel: CancelCallback | None = None,
    *,
    bundle: Bundle | None = None,
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

    Raises:
        InputError, BundleError, DeviceError, OutputError, Cancelled: see there; nothing is written then.
    """
    return _translate(request, Path(input_path), Path(output_path), progress, cancel, bundle)


@dataclass(frozen=True)
class Rerun:
    """A repeated run.

    Attributes:
        record: of the new run.
        identical: whether voxels and geometry are those of the old record.
        differences: device, packages and platform that are not the same as then, and whether memory ran out.
    """

    record: Record
    identical: bool
    differences: tuple[str, ...]


def rerun(
    record: Record | StrPath,
    input_path: StrPath,
    output_path: StrPath,
    progress: ProgressCallback | None = None,
    cancel: CancelCallback | None = None,
    *,
    bundle: Bundle | None = None,
    force: bool = False,
) -> Rerun:
    """Run a record's request again on the same scan, bundle, device, precision and batch.

    Args:
        record: a record or the file of one.
        input_path: must have the content hash that the record names.
        output_path: where to; replaced if it exists.
        progress: told after each batch.
        cancel: asked between all steps.
        bundle: to use instead of the installed one of that name.
        force: run on another device, though voxels may then differ in their last digits.

    Raises:
        InputError: another scan.
        BundleError: the very bundle is not installed.
        DeviceError: the record's device does not exist here.
        ConfigError: the record cannot be read, or the device is another one and ``force`` is not given.
        OutputError, Cancelled: as ``translate``.
    """
    old = record if isinstance(record, Record) else read_record(Path(record))
    wanted = "auto" if force else old.device
    bundle = bundle or find(old.bundle.name)
    if bundle.hash != old.bundle.hash:
        raise BundleError(
            f"Bundle {bundle.card.name!r} {bundle.card.version} is not the one of the record "
            f"({old.bundle.version}, hash {old.bundle.hash[:12]}); import that one or name its folder."
        )
    here = device_name(choose_device(wanted))
    if here != old.device_name and not force:
        raise ConfigError(
            f"The record is from {old.device_name}, this is {here}: voxels may differ; add --force."
        )
    request = old.request.model_copy(
        update={
            "model": old.bundle.name,
            "device": wanted,
            "precision": "auto" if force else old.precision,
            "seed": old.seed,
            "batch": old.batch,
        }
    )
    new = _translate(
        request, Path(input_path), Path(output_path), progress, cancel, bundle, old.input.content_hash
    )
    pairs = (
        ("device", old.device_name, new.device_name),
        *((name, version, new.packages.get(name, "none")) for name, version in sorted(old.packages.items())),
        ("platform", old.platform, new.platform),
    )
    differences = [f"{what}: {was} then, {now} now" for what, was, now in pairs if was != now]
    # The first run changed its pieces on the way; this one had them small, or large, from the start.
    differences += [f"then, {w}" for w in old.warnings if w.startswith(OUT_OF_MEMORY)]
    return Rerun(new, new.output.content_hash == old.output.content_hash, tuple(differences))


@dataclass(frozen=True)
class _Job:
    """What was read, checked and chosen; ``seen`` is the scan as it lies in the world."""

    request: TranslateRequest
    scan: Scan
    seen: Volume
    bundle: Bundle
    why: str
    report: CheckReport


def _checked(scan: Scan, request: TranslateRequest, bundle: Bundle, why: str, monitor: Monitor) -> _Job:
    if request.disagreement and len(request.planes or ()) < 2:
        raise InputError(
            "Disagreement needs at least two planes of a bundle that was trained for them; use --planes."
        )
    seen = scan.volume
    if request.parent_transform is not None:
        seen = seen.under(np.asarray(request.parent_transform))
    report = monitor.interruptible(lambda: check_scan(replace(scan, volume=seen), bundle.card))
    report.raise_if_stopped(request.force)
    return _Job(request, scan, seen, bundle, why, report)


def _run(
    job: _Job, progress: ProgressCallback | None, cancel: CancelCallback | None
) -> tuple[EngineResult, Record]:
    request, scan = job.request, job.scan
    # Loading may have to import MONAI first.
    monitor = Monitor(None, cancel)
    engine = monitor.interruptible(lambda: Engine(job.bundle, request.device, request.precision))
    result = engine.run(
        job.seen,
        planes=request.planes,
        seed=request.seed,
        batch=request.batch,
        progress=progress,
        cancel=cancel,
    )
    place = scan.volume.ijk_to_ras
    deviation = result.disagreement if request.disagreement else None
    result = EngineResult(
        volume=Volume(result.volume.array, place),
        disagreement=None if deviation is None else Volume(deviation.array, place),
        device=result.device,
        precision=result.precision,
        batch=result.batch,
        planes=result.planes,
        warnings=result.warnings,
        timings=result.timings,
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


def _translate(
    request: TranslateRequest,
    source: Path,
    output: Path,
    progress: ProgressCallback | None,
    cancel: CancelCallback | None,
    bundle: Bundle | None,
    expected: str | None = None,
) -> Record:
    monitor = Monitor(None, cancel)
    beside = [record_path(output), *([disagreement_path(output)] if request.disagreement else [])]
    check_output(source, output, beside)
    chosen, why = choose_bundle(request, bundle)
    start = time.perf_counter()
    scan = monitor.interruptible(lambda: read_volume(source))
    read_s = time.perf_counter() - start
    if expected is not None and scan.content_hash != expected:
        raise InputError(
            "The input is not the scan of the record (its content hash differs); name that scan."
        )
    start = time.perf_counter()
    job = _checked(scan, request, chosen, why, monitor)
    check_s = time.perf_counter() - start
    item = np.dtype(job.bundle.card.output.dtype).itemsize + (4 if request.disagreement else 0)
    check_space(output, math.prod(scan.volume.shape) * item)
    result, record = _run(job, progress, cancel)
    timings = {"read": round(read_s, 4), "check": round(check_s, 4), **record.timings}
    with staging(output) as folder:
        start = time.perf_counter()
        record = _write(record, result, output, folder, timings, monitor, start)
    return record


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


__all__ = ["Rerun", "choose_bundle", "rerun", "translate", "translate_volume"]
