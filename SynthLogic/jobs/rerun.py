"""Make a result again from its record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from SynthLogic.bundles import Bundle, find
from SynthLogic.errors import BundleError, ConfigError, InputError
from SynthLogic.hearts import ShortAxis
from SynthLogic.inference import CancelCallback, Monitor, ProgressCallback
from SynthLogic.jobs.heart_labels import Heart, heart_of
from SynthLogic.jobs.heart_record import HeartRecord, read_any_record
from SynthLogic.jobs.heart_requests import CohortRequest, PaintRequest
from SynthLogic.jobs.paint import write_paint
from SynthLogic.jobs.record import BundleId, Record
from SynthLogic.jobs.translate import StrPath, run_files
from SynthLogic.volume import Grid, Scan, read_volume


@dataclass(frozen=True)
class Rerun:
    """A repeated run.

    Attributes:
        record: of the new run.
        identical: whether voxels and geometry are those of the old record.
        differences: device, packages and platform that are not the same as then, and whether memory ran out.
    """

    record: Record | HeartRecord
    identical: bool
    differences: tuple[str, ...]


def rerun(
    record: Record | HeartRecord | StrPath,
    input_path: StrPath,
    output_path: StrPath,
    progress: ProgressCallback | None = None,
    cancel: CancelCallback | None = None,
    *,
    bundle: Bundle | None = None,
    region_path: StrPath | None = None,
    before_path: StrPath | None = None,
    labels_path: StrPath | None = None,
    force: bool = False,
) -> Rerun:
    """Run a record's request again on the same scan or labels, bundle, device, precision and batch.

    Args:
        record: a record or the file of one.
        input_path: must have the content hash that the record names.
        output_path: where to; replaced if it exists.
        progress: told after each batch.
        cancel: asked between all steps.
        bundle: to use instead of the installed one of that name.
        region_path: must have the content hash that the record names, if it names one.
        before_path: the labels before an edit, for the record of an image that was painted after one.
        labels_path: the scan's label map, for the record of a scan that was translated with it; must have the
            content hash that the record names.
        force: run on another device, though voxels may then differ in their last digits.

    Raises:
        InputError: another scan or region, or other labels.
        BundleError: the very bundle is not installed.
        DeviceError: the record's device does not exist here.
        ConfigError: the record cannot be read, or the device is another one and ``force`` is not given.
        OutputError, Cancelled: as ``translate``.
    """
    old = record if isinstance(record, Record | HeartRecord) else read_any_record(Path(record))
    places = (Path(input_path), Path(output_path))
    if isinstance(old, HeartRecord):
        if region_path is not None:
            raise ConfigError("A painted heart has no region; leave it out.")
        if labels_path is not None:
            raise ConfigError("The labels of a painted heart are its input; leave out the label map.")
        before = None if before_path is None else Path(before_path)
        return _paint_again(old, *places, before, Monitor(progress, cancel), bundle, force)
    from SynthLogic.inference import OUT_OF_MEMORY

    wanted = "auto" if force else old.device
    bundle = _same_bundle(old.bundle, bundle)
    _check_device(old, wanted, force)
    request = old.request.model_copy(
        update={
            "model": old.bundle.name,
            "device": wanted,
            "precision": "auto" if force else old.precision,
            "seed": old.seed,
            "batch": old.batch,
        }
    )
    region = None if region_path is None else Path(region_path)
    labels = None if labels_path is None else Path(labels_path)
    new = run_files(request, *places, region, labels, progress, cancel, bundle, old)
    # The first run changed its pieces on the way; this one had them small, or large, from the start.
    memory = [f"then, {w}" for w in old.warnings if w.startswith(OUT_OF_MEMORY)]
    identical = all(
        getattr(new.output, name) == getattr(old.output, name)
        for name in ("content_hash", "labels_content_hash")
    )
    return Rerun(new, identical, (*_differences(old, new), *memory))


def _paint_again(
    old: HeartRecord,
    labels: Path,
    output: Path,
    before_path: Path | None,
    monitor: Monitor,
    bundle: Bundle | None,
    force: bool,
) -> Rerun:
    if isinstance(old.request, CohortRequest):
        raise ConfigError(
            "The record is of one heart of a cohort, which is only made again as a whole; use export with "
            "the same label maps and options, and a new folder."
        )
    if not isinstance(old.request, PaintRequest) or old.model is None:
        raise ConfigError(
            "The record is of a heart between two, not of one that was painted; use interpolate with the "
            "same label maps, steps and styles."
        )
    wanted = "auto" if force else old.device
    bundle = _same_bundle(old.model, bundle)
    _check_device(old, wanted, force)
    request = old.request.model_copy(
        update={
            "model": old.model.name,
            "device": wanted,
            "precision": "auto" if force else old.precision,
            "force": True,
        }
    )
    expected = old.inputs[0].content_hash

    def read() -> tuple[Scan, None]:
        return monitor.interruptible(lambda: read_volume(labels)), None

    before = None
    if old.kept_frame:
        before = monitor.interruptible(lambda: _before(old, request, before_path))
    elif before_path is not None:
        raise ConfigError("The image was not painted after an edit; leave the labels before one out.")
    new = write_paint(
        request,
        [labels],
        output,
        monitor,
        read,
        bundle=bundle,
        style=old.styles[0],
        before=before,
        expected=expected,
    )
    return Rerun(new, new.output.image_hash == old.output.image_hash, tuple(_differences(old, new)))


def _before(old: HeartRecord, request: PaintRequest, path: Path | None) -> Heart:
    """The labels before an edit."""
    if path is None:
        raise ConfigError(
            "The image was painted after an edit; name the labels before it as well (--before)."
        )
    # In the frame of the record: a file's own matrix differs from that in memory in its last digits.
    grid = Grid(old.frame.shape, np.asarray(old.frame.ijk_to_ras))
    like = ShortAxis(np.zeros(grid.shape, np.uint8), grid, grid)
    heart = heart_of(read_volume(path), request.labels, like=like, name=path.name)
    if heart.content_hash != old.inputs[1].content_hash:
        raise InputError(
            f"{path.name} is not what the labels were before the edit (its content hash differs)."
        )
    return heart


def _same_bundle(old: BundleId, bundle: Bundle | None) -> Bundle:
    bundle = bundle or find(old.name)
    if bundle.hash != old.hash:
        raise BundleError(
            f"Bundle {bundle.card.name!r} {bundle.card.version} is not the one of the record "
            f"({old.version}, hash {old.hash[:12]}); import that one or name its folder."
        )
    return bundle


def _check_device(old: Record | HeartRecord, wanted: str, force: bool) -> None:
    from SynthLogic.inference import choose_device, device_name

    here = device_name(choose_device(wanted))
    if here != old.device_name and not force:
        raise ConfigError(
            f"The record is from {old.device_name}, this is {here}: voxels may differ; add --force."
        )


def _differences(old: Record | HeartRecord, new: Record | HeartRecord) -> list[str]:
    pairs = (
        ("device", old.device_name, new.device_name),
        *((name, version, new.packages.get(name, "none")) for name, version in sorted(old.packages.items())),
        ("platform", old.platform, new.platform),
    )
    return [f"{what}: {was} then, {now} now" for what, was, now in pairs if was != now]


__all__ = ["Rerun", "rerun"]
