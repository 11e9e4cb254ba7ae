"""Find the structures of a scan with a bundle that was trained to, and write them with a record."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from pydantic import Field

from SynthLogic.bundles import Bundle, Card
from SynthLogic.errors import InputError
from SynthLogic.inference import CancelCallback, Monitor, ProgressCallback
from SynthLogic.jobs.check import check_scan
from SynthLogic.jobs.output import check_output, failing_as_output, file_sha256, publish, staging
from SynthLogic.jobs.record import BundleId, InputId, OutputId, bundle_id, package_versions, record_path
from SynthLogic.jobs.requests import Document
from SynthLogic.volume import Scan, content_hash, read_volume, write_volume

StrPath = str | os.PathLike[str]
LABELS_MARK = "Labels found by a network. Research use only, not for diagnosis."


class SegmentRecord(Document):
    """How a label map was made; as ``Record``, for labels. ``labels`` are names and values."""

    product: Literal["CrossModalSynth"] = "CrossModalSynth"
    kind: Literal["segment"] = "segment"
    record_version: Literal[1] = 1
    notice: str = LABELS_MARK
    bundle: BundleId
    labels: dict[str, int]
    device: str
    precision: str
    planes: tuple[str, ...]
    input: InputId
    second: InputId | None = None
    output: OutputId
    warnings: tuple[str, ...] = ()
    packages: dict[str, str] = Field(default_factory=package_versions)
    created: str = Field(default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec="seconds"))


def segment(
    source: StrPath,
    output: StrPath,
    bundle: Bundle,
    *,
    second: StrPath | None = None,
    device: str = "auto",
    force: bool = False,
    progress: ProgressCallback | None = None,
    cancel: CancelCallback | None = None,
) -> SegmentRecord:
    """Label a scan; the label map lies on exactly its grid.

    The label map and OUTPUT.record.json appear together, complete, or not at all.

    Args:
        source: .nii, .nii.gz, .nrrd, .mha, or a folder with one DICOM series; only read.
        output: .nii, .nii.gz, .nrrd or .mha; replaced if it exists.
        bundle: of the task "segment".
        second: the other image of the same subject on the same grid, for a bundle that looks at two.
        device: "auto", "cpu", "cuda" or "cuda:N".
        force: go on in spite of warnings that would stop the run; they are in the record then.
        progress: told after each batch.
        cancel: asked between all steps.

    Raises:
        InputError, BundleError, DeviceError, OutputError, Cancelled: see there; nothing is written then.
    """
    bundle.card.expect("segment")
    source, output = Path(source), Path(output)
    others = [] if second is None else [Path(second)]
    for taken in (source, *others):
        check_output(taken, output, [record_path(output)])
    monitor = Monitor(None, cancel)
    scan, *more = (_read(path, monitor) for path in (source, *others))
    doubts = monitor.interruptible(lambda: _doubts(bundle.card, scan, more, force))
    from SynthLogic.inference import StructureFinder

    finder = monitor.interruptible(lambda: StructureFinder(bundle, device))
    found = finder.find(scan.volume, more[0].volume if more else None, progress=progress, cancel=cancel)
    record = SegmentRecord(
        bundle=bundle_id(bundle),
        labels=dict(bundle.card.label_output.labels),
        device=found.device,
        precision=finder.precision,
        planes=found.planes,
        input=_identity(scan),
        second=_identity(more[0]) if more else None,
        output=OutputId(content_hash=content_hash(found.labels)),
        warnings=(*doubts, *found.warnings),
    )
    with staging(output) as folder:
        labels, text = folder / output.name, folder / record_path(output).name
        monitor.interruptible(lambda: write_volume(labels, found.labels, LABELS_MARK))
        with failing_as_output(output.name):
            made = record.output.model_copy(update={"file_sha256": file_sha256(labels)})
            record = record.model_copy(update={"output": made})
            text.write_bytes(record.to_json().encode())
        monitor.check()
        publish([(labels, output), (text, record_path(output))], folder)
    return record


def _read(path: Path, monitor: Monitor) -> Scan:
    scan = monitor.interruptible(lambda: read_volume(path))
    if scan.volume.array.min() == scan.volume.array.max():
        raise InputError(f"{path.name} is empty: every voxel is the same; give a scan.")
    return scan


def _doubts(card: Card, scan: Scan, more: list[Scan], force: bool) -> tuple[str, ...]:
    """What speaks against the images but does not stop the run.

    Raises:
        InputError: they are not what the bundle looks at, as ``CheckReport.raise_if_stopped`` says it.
    """
    # One that the bundle has no use for is refused as such.
    seconds = more if card.second is not None else []
    reports = [check_scan(scan, card), *(check_scan(other, card, second=True) for other in seconds)]
    for report in reports:
        report.raise_if_stopped(force)
    return tuple(f.message for report in reports for f in report.findings if f.level == "warning")


def _identity(scan: Scan) -> InputId:
    grid = scan.volume.grid
    return InputId(content_hash=scan.content_hash, shape=grid.shape, spacing=grid.spacing)


__all__ = ["SegmentRecord", "segment"]
