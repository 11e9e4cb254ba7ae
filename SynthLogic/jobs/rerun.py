"""Make a result again from its record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from SynthLogic.bundles import Bundle, find
from SynthLogic.errors import BundleError, ConfigError
from SynthLogic.inference import CancelCallback, ProgressCallback
from SynthLogic.jobs.record import Record, read_record
from SynthLogic.jobs.translate import StrPath, run_files


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
    region_path: StrPath | None = None,
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
        region_path: must have the content hash that the record names, if it names one.
        force: run on another device, though voxels may then differ in their last digits.

    Raises:
        InputError: another scan or region.
        BundleError: the very bundle is not installed.
        DeviceError: the record's device does not exist here.
        ConfigError: the record cannot be read, or the device is another one and ``force`` is not given.
        OutputError, Cancelled: as ``translate``.
    """
    from SynthLogic.inference import OUT_OF_MEMORY, choose_device, device_name

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
    region = None if region_path is None else Path(region_path)
    new = run_files(request, Path(input_path), Path(output_path), region, progress, cancel, bundle, old)
    pairs = (
        ("device", old.device_name, new.device_name),
        *((name, version, new.packages.get(name, "none")) for name, version in sorted(old.packages.items())),
        ("platform", old.platform, new.platform),
    )
    differences = [f"{what}: {was} then, {now} now" for what, was, now in pairs if was != now]
    # The first run changed its pieces on the way; this one had them small, or large, from the start.
    differences += [f"then, {w}" for w in old.warnings if w.startswith(OUT_OF_MEMORY)]
    return Rerun(new, new.output.content_hash == old.output.content_hash, tuple(differences))


__all__ = ["Rerun", "rerun"]
