"""Run an InterpolateRequest: hearts between two, or one with more slices, each step whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from SynthLogic.bundles import Bundle
from SynthLogic.errors import Cancelled, InputError, OutputError
from SynthLogic.inference import CancelCallback, Monitor, Progress, ProgressCallback
from SynthLogic.jobs.heart_desk import Hearts, Reference
from SynthLogic.jobs.heart_labels import Heart, check_blendable
from SynthLogic.jobs.heart_record import HeartRecord, StyleId
from SynthLogic.jobs.heart_requests import InterpolateRequest
from SynthLogic.jobs.offspring import Maker
from SynthLogic.jobs.output import only_writer
from SynthLogic.jobs.paint import style_id
from SynthLogic.jobs.step_files import StepFiles
from SynthLogic.volume import check_name, read_volume

StrPath = str | os.PathLike[str]


@dataclass(frozen=True)
class Interpolated:
    """What a run wrote: files made now, those complete before, and all in the order of ``records``."""

    folder: Path
    written: tuple[Path, ...]
    skipped: tuple[Path, ...]
    files: tuple[Path, ...]
    records: tuple[HeartRecord, ...]


def interpolate(
    request: InterpolateRequest,
    a: StrPath,
    b: StrPath | None,
    folder: StrPath,
    progress: ProgressCallback | None = None,
    cancel: CancelCallback | None = None,
    *,
    codec_bundle: Bundle | None = None,
    model_bundle: Bundle | None = None,
    references: Sequence[Reference | None] = (None, None),
    replace: bool = False,
) -> Interpolated:
    """Write the hearts between two, or one heart with more slices, each with labels, record and picture.

    A step is there whole or not at all: after a cancel or a kill, the same call goes on where it stopped.
    Files are ``step-03of08.nii.gz``, ``.labels.nii.gz``, ``.record.json`` and ``.png``; of one heart alone
    ``slices-32`` and so on.

    Args:
        request: what to do.
        a: file of the first label map.
        b: of the second, or None.
        folder: where to; made if it is not there.
        progress: told after every few slices of each step.
        cancel: asked between all steps.
        codec_bundle: to use instead of the installed one of that name.
        model_bundle: likewise.
        references: for styles of kind "scan", of the first and second heart.
        replace: replace steps of another run that lie in ``folder``.

    Raises:
        InputError, BundleError, DeviceError, OutputError, Cancelled: see there; steps that are complete stay.
    """
    folder = Path(folder)
    paths = [Path(path) for path in (a, b) if path is not None]
    _check_folder(folder, paths)
    monitor = Monitor(None, cancel)
    hearts = Hearts()
    hearts.choose("label-vae", request.codec, codec_bundle)
    parents = []
    for path in paths:
        heart = monitor.interruptible(partial(_read, path, request, hearts))
        try:
            heart.raise_if_stopped(request.force)
        except InputError as doubt:
            raise InputError(f"{path.name}: {doubt}") from None
        parents.append(heart)
    check_blendable([(path.name, heart) for path, heart in zip(paths, parents, strict=True)])
    maker = monitor.interruptible(
        lambda: Maker(
            request,
            hearts,
            codec_bundle=codec_bundle,
            model_bundle=model_bundle,
            paint=not request.labels_only,
        )
    )
    second = parents[1] if len(parents) > 1 else None
    styles = step_styles(maker, request, references, alone=second is None)
    positions = request.positions(alone=second is None)
    with only_writer(folder):
        _sweep(folder)
        todo = [
            StepFiles(folder, name, not request.labels_only)
            for name in _names(folder, request, len(positions), alone=second is None)
        ]
        done: list[HeartRecord | None] = []
        for place, t in zip(todo, positions, strict=True):
            record = place.found(maker, parents, t, styles)
            whole = record is not None and place.is_whole(record)
            if not whole and not replace:
                place.check_free(record)
            done.append(record if whole else None)
        counted = _Counted(progress, cancel, done.count(None) * request.slices)
        written, skipped, records = [], [], []
        try:
            for place, t, record in zip(todo, positions, done, strict=True):
                if record is not None:
                    skipped.append(place.main)
                else:
                    made = maker.step(parents[0], second, t, styles, counted.next())
                    record = place.write(made, counted.monitor)
                    written.append(place.main)
                records.append(record)
        except Cancelled:
            complete = len(todo) - done.count(None) + len(written)
            if not complete:
                raise
            raise Cancelled(
                f"Cancelled; {complete} of {len(todo)} hearts are complete and stay, and the same command "
                "makes the others."
            ) from None
    files = tuple(place.main for place in todo)
    return Interpolated(folder, tuple(written), tuple(skipped), files, tuple(records))


def _read(path: Path, request: InterpolateRequest, hearts: Hearts) -> Heart:
    return hearts.heart(read_volume(path), request.labels, name=path.name)


def step_styles(
    maker: Maker,
    request: InterpolateRequest,
    references: Sequence[Reference | None],
    alone: bool,
) -> tuple[StyleId, ...]:
    """The styles at the first heart and at the second, in numbers; none without a painter.

    Raises:
        InputError: a style that the bundle does not have.
    """
    if maker.painter is None:
        return ()
    first = style_id(maker.hearts, maker.painter, request.style_a, references[0], request.force)
    if request.style_b is None:
        return (first,)
    if alone:
        raise InputError("One heart alone has one style; leave out the second.")
    return first, style_id(maker.hearts, maker.painter, request.style_b, references[1], request.force)


class _Counted:
    """One progress over all steps."""

    def __init__(self, progress: ProgressCallback | None, cancel: CancelCallback | None, total: int) -> None:
        self._total, self._before = total, 0
        self._progress = progress
        self._cancel = cancel
        self.monitor = Monitor(None, cancel)

    def next(self) -> Monitor:
        before = self._before = self._before + self.monitor.total

        def tell(step: Progress) -> None:
            if self._progress is not None:
                self._progress(Progress(before + step.done, self._total, "slices", step.message))

        self.monitor = Monitor(tell, self._cancel)
        return self.monitor


def _names(folder: Path, request: InterpolateRequest, count: int, alone: bool) -> list[str]:
    if alone:
        return [f"slices-{request.slices:02d}"]
    digits = max(2, len(str(request.steps)))
    if (folder / f"step-01of{request.steps}.record.json").exists():
        digits = 2  # from when names had no more
    return [f"step-{n:0{digits}d}of{request.steps:02d}" for n in range(1, count + 1)]


def _check_folder(folder: Path, inputs: Sequence[Path]) -> None:
    check_name(folder.absolute(), OutputError, folder=True)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder.name} is a file; give a folder to write to.")
    if not folder.exists() and not folder.absolute().parent.is_dir():
        raise OutputError(f"The folder that {folder.name} is to lie in does not exist; create it first.")
    for path in inputs:
        if path.resolve() == folder.resolve():
            raise OutputError(f"{folder.name} is an input; choose another folder.")


def _sweep(folder: Path) -> None:
    """Remove what a run left that was killed."""
    for left in [*folder.glob(".step-*"), *folder.glob(".slices-*")]:
        with contextlib.suppress(OSError):
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left)


__all__ = ["Interpolated", "interpolate"]
