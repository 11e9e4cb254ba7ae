"""Run a PaintRequest: read labels, place them, paint them, write image and record."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from SynthLogic.bundles import Bundle
from SynthLogic.errors import InputError
from SynthLogic.inference import CancelCallback, Monitor, ProgressCallback
from SynthLogic.jobs.edits import keep_unedited
from SynthLogic.jobs.heart_desk import Hearts, Reference, default_style, named_volumes
from SynthLogic.jobs.heart_labels import Heart, heart_of
from SynthLogic.jobs.heart_record import Frame, HeartOutput, HeartRecord, StyleId
from SynthLogic.jobs.heart_requests import PaintRequest, ScanStyle, StyleChoice
from SynthLogic.jobs.output import check_output, check_space, failing_as_output, file_sha256, publish, staging
from SynthLogic.jobs.record import MARK, InputId, bundle_id, record_path
from SynthLogic.jobs.reference import read_reference
from SynthLogic.volume import Grid, Scan, Volume, content_hash, read_volume, write_volume

if TYPE_CHECKING:
    from SynthLogic.inference import Painter

StrPath = str | os.PathLike[str]
# Between two looks at progress and cancel.
_TOGETHER = 8


@dataclass(frozen=True, eq=False)
class Painted:
    """An image on exactly the labels' grid, the heart as it was understood, and the record."""

    image: Volume
    heart: Heart
    record: HeartRecord


def paint_volume(
    request: PaintRequest,
    labels: Scan,
    progress: ProgressCallback | None = None,
    cancel: CancelCallback | None = None,
    *,
    bundle: Bundle | None = None,
    reference: Reference | None = None,
    before: Heart | None = None,
    hearts: Hearts | None = None,
) -> Painted:
    """Paint a label map that is in memory; writes no file.

    Outside the field of 192 mm round the heart, and beyond its first and last labelled slice, lies the
    background of the bundle's card.

    Args:
        request: what to do.
        labels: the label map; its array is not changed.
        progress: told after every few slices.
        cancel: asked between all steps.
        bundle: to use instead of the installed one of that name.
        reference: for a style of kind "scan".
        before: the same heart as it was first painted: what was not edited since stays as it was.
        hearts: what is kept from earlier jobs; by default everything is made anew.

    Raises:
        InputError, BundleError, DeviceError, Cancelled: see there.
    """
    return run_paint(
        request, labels, Monitor(progress, cancel), bundle, reference, before, hearts or Hearts()
    )


def paint(
    request: PaintRequest,
    labels_path: StrPath,
    output_path: StrPath,
    progress: ProgressCallback | None = None,
    cancel: CancelCallback | None = None,
    *,
    bundle: Bundle | None = None,
    reference_paths: tuple[StrPath, StrPath] | None = None,
) -> HeartRecord:
    """Paint a label map from a file into a file, with its record beside it, together or not at all.

    Args:
        request: what to do.
        labels_path: .nii, .nii.gz, .nrrd or .mha with labels; only read.
        output_path: .nii, .nii.gz, .nrrd or .mha; replaced if it exists.
        progress: told after every few slices.
        cancel: asked between all steps.
        bundle: to use instead of the installed one of that name.
        reference_paths: image and labels whose style is wanted, for a style of kind "scan".

    Raises:
        InputError, BundleError, DeviceError, OutputError, Cancelled: see there; nothing is written then.
    """
    labels, lent = Path(labels_path), tuple(Path(path) for path in reference_paths or ())
    monitor = Monitor(progress, cancel)

    def read() -> tuple[Scan, Reference | None]:
        reference = read_reference(lent[0], lent[1], request.labels, request.force) if lent else None
        return read_volume(labels), reference

    return write_paint(
        request,
        (labels, *lent),
        Path(output_path),
        monitor,
        lambda: monitor.interruptible(read),
        bundle=bundle,
    )


def write_paint(
    request: PaintRequest,
    inputs: Sequence[Path],
    output: Path,
    monitor: Monitor,
    read: Callable[[], tuple[Scan, Reference | None]],
    *,
    bundle: Bundle | None,
    style: StyleId | None = None,
    before: Heart | None = None,
    expected: str | None = None,
) -> HeartRecord:
    """Check the places, ``read``, paint, and publish image and record.

    With ``style``, ``before`` and ``expected`` (the labels' content hash) what was painted once comes again.
    """
    for taken in inputs:
        check_output(taken, output, [record_path(output)])
    hearts = Hearts()
    # Before anything large is read.
    hearts.choose("paint", request.model, bundle)
    start = time.perf_counter()
    scan, reference = read()
    read_s = time.perf_counter() - start
    check_space(output, math.prod(scan.volume.shape) * 4)
    painted = run_paint(
        request,
        scan,
        monitor,
        bundle,
        reference,
        before,
        hearts,
        style=style,
        name=inputs[0].name,
        expected=expected,
    )
    with staging(output) as folder:
        start = time.perf_counter()
        image = folder / output.name
        monitor.interruptible(lambda: write_volume(image, painted.image, MARK))
        with failing_as_output(output.name):
            made = painted.record.output.model_copy(update={"files": {"image": file_sha256(image)}})
            timings = {"read": round(read_s, 4), **painted.record.timings}
            timings["write"] = round(time.perf_counter() - start, 4)
            record = painted.record.model_copy(update={"output": made, "timings": timings})
            text = folder / record_path(output).name
            text.write_bytes(record.to_json().encode())
        monitor.check()
        # The record first: an image without one would not say what it is.
        publish([(text, record_path(output)), (image, output)], folder)
    return record


def run_paint(
    request: PaintRequest,
    labels: Scan,
    monitor: Monitor,
    bundle: Bundle | None,
    reference: Reference | None,
    before: Heart | None,
    hearts: Hearts,
    *,
    style: StyleId | None = None,
    name: str = "",
    expected: str | None = None,
) -> Painted:
    """What ``paint_volume`` does; with ``style``, a recorded one takes the place of the request's."""
    chosen, why = hearts.choose("paint", request.model, bundle)
    start = time.perf_counter()
    heart = monitor.interruptible(lambda: _heart(request, labels, before, hearts, name))
    if expected not in (None, heart.content_hash):
        raise InputError("The labels are not those of the record (their content hash differs); name those.")
    heart.raise_if_stopped(request.force)
    prepared = time.perf_counter()
    painter = monitor.interruptible(lambda: hearts.painter(chosen, request.device, request.precision))
    style = style or style_id(hearts, painter, request.style, reference, request.force)
    loaded = time.perf_counter()
    vector = np.asarray(style.vector, np.float32)
    stack = paint_stack(painter, heart.short_axis.labels, vector, monitor)
    if before is not None:
        stack = keep_unedited(painter, stack, heart.short_axis, before.short_axis, vector, monitor)
    painted = time.perf_counter()
    card = chosen.card.image_output
    volume = monitor.interruptible(lambda: heart.short_axis.restore(stack, background=float(card.background)))
    image = stored(volume, card.dtype)
    end = time.perf_counter()
    frame = heart.short_axis.grid
    record = HeartRecord(
        request=request,
        model=bundle_id(chosen),
        codec=None,
        choice=why,
        **device_facts(painter),
        inputs=(input_id(heart),) if before is None else (input_id(heart), input_id(before)),
        styles=(style,),
        style=style.vector,
        frame=frame_of(frame),
        kept_frame=before is not None,
        volumes_ml=named_volumes(heart.short_axis.labels, frame),
        output=HeartOutput(image_hash=content_hash(image)),
        warnings=(*(f.message for f in heart.findings if f.level == "warning"), *painter.warnings),
        timings={
            "prepare": round(prepared - start, 4),
            "load": round(loaded - prepared, 4),
            "paint": round(painted - loaded, 4),
            "restore": round(end - painted, 4),
        },
    )
    return Painted(image, heart, record)


def _heart(request: PaintRequest, labels: Scan, before: Heart | None, hearts: Hearts, name: str) -> Heart:
    if before is not None:
        return heart_of(labels, request.labels, like=before.short_axis, name=name)
    return hearts.heart(labels, request.labels, name=name)


def paint_stack(
    painter: Painter, labels: NDArray[np.uint8], style: NDArray[np.float32], monitor: Monitor
) -> NDArray[np.float32]:
    """Paint (K, size, size) labels, telling progress and asking for cancel after every few slices.

    Raises:
        Cancelled: the user asked to stop.
    """
    monitor.begin(len(labels), "slices", "painting")
    parts = []
    for first in range(0, len(labels), _TOGETHER):
        monitor.check()
        part = labels[first : first + _TOGETHER]
        parts.append(np.asarray(painter.paint(part, style), np.float32))
        monitor.advance(len(part))
    return np.concatenate(parts)


def stored(volume: Volume, dtype: str) -> Volume:
    """The volume as the card wants it stored."""
    array = volume.array
    if np.dtype(dtype).kind == "i":
        limits = np.iinfo(dtype)
        array = np.clip(np.rint(array), limits.min, limits.max)
    return volume.with_array(array.astype(dtype))


def style_id(
    hearts: Hearts,
    painter: Painter,
    choice: StyleChoice | None,
    reference: Reference | None,
    force: bool = False,
) -> StyleId:
    """The style in numbers, with all that a record says of it.

    Raises:
        InputError: a style that the bundle does not have, a scan's without a scan, or without ``force`` one
            whose labels do not look like a heart.
    """
    chosen = choice or default_style(painter.bundle)
    scan = reference if isinstance(chosen, ScanStyle) else None
    if scan is not None:
        try:
            scan.labels.raise_if_stopped(force)
        except InputError as doubt:
            raise InputError(f"The labels of the scan that lends its style: {doubt}") from None
    vector = hearts.style(painter, choice, reference)
    return StyleId(
        choice=chosen,
        vector=tuple(float(value) for value in vector),
        image_hash=scan and scan.image.content_hash,
        labels_hash=scan and scan.labels.content_hash,
    )


def input_id(heart: Heart) -> InputId:
    """A label map as a record holds it."""
    grid = heart.short_axis.source
    return InputId(content_hash=heart.content_hash, shape=grid.shape, spacing=grid.spacing)


def frame_of(grid: Grid) -> Frame:
    """A grid as a record holds it."""
    return Frame.from_data({"shape": grid.shape, "ijk_to_ras": grid.ijk_to_ras.tolist()})


def device_facts(network: Any) -> dict[str, str]:
    """What a record says of the device that a painter or codec runs on."""
    from SynthLogic.inference import device_name

    return {
        "device": str(network.device),
        "device_name": device_name(network.device),
        "precision": getattr(network, "precision", "fp32"),
    }


__all__ = ["Painted", "Reference", "paint", "paint_volume"]
