"""Run an InterpolateRequest: hearts between two, or one with more slices, each step whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from SynthLogic.bundles import Bundle
from SynthLogic.cohorts.picture import picture
from SynthLogic.errors import ConfigError, InputError, OutputError
from SynthLogic.inference import CancelCallback, Monitor, Progress, ProgressCallback
from SynthLogic.jobs.heart_desk import Hearts, Reference
from SynthLogic.jobs.heart_labels import Heart, check_blendable
from SynthLogic.jobs.heart_record import HeartRecord, StyleId, read_any_record
from SynthLogic.jobs.heart_requests import InterpolateRequest
from SynthLogic.jobs.offspring import Maker, Step
from SynthLogic.jobs.output import failing_as_output, file_sha256, publish, staging
from SynthLogic.jobs.paint import input_id, style_id
from SynthLogic.jobs.record import MARK, bundle_id
from SynthLogic.volume import read_volume, write_volume

StrPath = str | os.PathLike[str]


@dataclass(frozen=True)
class Interpolated:
    """What a run wrote: files made now, and those that were complete before."""

    folder: Path
    written: tuple[Path, ...]
    skipped: tuple[Path, ...]
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
        heart.raise_if_stopped(request.force)
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
    with failing_as_output(folder.name):
        folder.mkdir(exist_ok=True)
    _sweep(folder)
    written, skipped, records = [], [], []
    todo = [
        _Todo(folder, _name(request, number, alone=second is None), not request.labels_only)
        for number in range(1, len(positions) + 1)
    ]
    done = [place.complete(maker, parents, t) for place, t in zip(todo, positions, strict=True)]
    for place, record in zip(todo, done, strict=True):
        if record is None and not replace:
            place.check_free()
    total = sum(record is None for record in done) * request.slices
    counted = _Counted(progress, cancel, total)
    for place, t, record in zip(todo, positions, done, strict=True):
        if record is not None:
            skipped.append(place.main)
        else:
            made = maker.step(parents[0], second, t, styles, counted.next())
            record = place.write(made, counted.monitor)
            written.append(place.main)
        records.append(record)
    return Interpolated(folder, tuple(written), tuple(skipped), tuple(records))


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
    first = style_id(maker.hearts, maker.painter, request.style_a, references[0])
    if request.style_b is None:
        return (first,)
    if alone:
        raise InputError("One heart alone has one style; leave out the second.")
    return first, style_id(maker.hearts, maker.painter, request.style_b, references[1])


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


class _Todo:
    """The files of one step."""

    def __init__(self, folder: Path, name: str, painted: bool) -> None:
        self.folder, self.name = folder, name
        self.image = folder / f"{name}.nii.gz" if painted else None
        self.labels = folder / f"{name}.labels.nii.gz"
        self.record = folder / f"{name}.record.json"
        self.picture = folder / f"{name}.png"

    @property
    def main(self) -> Path:
        return self.image or self.labels

    def complete(self, maker: Maker, parents: Sequence[Heart], t: float) -> HeartRecord | None:
        """The record of this very step, if it is here with all its files."""
        try:
            record = read_any_record(self.record)
        except ConfigError:
            return None
        if not isinstance(record, HeartRecord):
            return None
        painter = maker.painter
        same = (
            record.request == maker.request
            and record.inputs == tuple(input_id(heart) for heart in parents)
            and record.t == t
            and record.codec == bundle_id(maker.codec.bundle)
            and record.model == (None if painter is None else bundle_id(painter.bundle))
        )
        return record if same and self._whole(record) else None

    def _whole(self, record: HeartRecord) -> bool:
        try:
            return bool(record.output.files) and all(
                file_sha256(self.folder / name) == digest for name, digest in record.output.files.items()
            )
        except OSError:
            return False

    def check_free(self) -> None:
        """Refuse to replace what another run has left."""
        for path in (self.image, self.labels, self.record, self.picture):
            if path is not None and path.exists():
                raise OutputError(
                    f"{path.name} is there already and not from this very request; choose another folder, or "
                    "add --yes to replace it."
                )

    def write(self, step: Step, monitor: Monitor) -> HeartRecord:
        with staging(self.main) as place:
            prepared: list[tuple[Path, Path]] = []

            def add(target: Path, make: Callable[[Path], object]) -> None:
                made = place / target.name
                monitor.interruptible(lambda: make(made))
                prepared.append((made, target))

            if self.image is not None and step.image is not None:
                image = step.image
                add(self.image, lambda path: write_volume(path, image, MARK))
            add(self.labels, lambda path: write_volume(path, step.labels, MARK))
            shown = step.image or step.labels.with_array(step.labels.array * np.uint8(60))
            with failing_as_output(self.name):
                if step.labels.array.any():
                    add(self.picture, lambda path: path.write_bytes(picture(shown, step.labels)))
                files = {target.name: file_sha256(made) for made, target in prepared}
                output = step.record.output.model_copy(update={"files": files})
                record = step.record.model_copy(update={"output": output})
                add(self.record, lambda path: path.write_bytes(record.to_json().encode()))
            monitor.check()
            publish(prepared, place)
        return record


def _name(request: InterpolateRequest, number: int, alone: bool) -> str:
    if alone:
        return f"slices-{request.slices:02d}"
    return f"step-{number:02d}of{request.steps:02d}"


def _check_folder(folder: Path, inputs: Sequence[Path]) -> None:
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
