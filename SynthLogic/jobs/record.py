"""The record beside every result: enough to make the same voxels again, nothing about the patient."""

from __future__ import annotations

import platform
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Literal

from pydantic import Field

from SynthLogic import __version__
from SynthLogic.bundles import Bundle, Plane
from SynthLogic.errors import ConfigError
from SynthLogic.jobs.check import CheckReport
from SynthLogic.jobs.requests import Document, TranslateRequest

MARK = "Synthetic image. Research use only, not for diagnosis."
LABELS_MARK = "Synthetic labels. Research use only, not for diagnosis."
DEVIATION_MARK = "Disagreement of synthetic images. Research use only, not for diagnosis."
_PACKAGES = ("torch", "monai", "numpy", "scipy", "SimpleITK", "pydantic")


class BundleId(Document):
    """Which bundle: name, version, and the hash of its card, which holds all other hashes."""

    name: str
    version: str
    hash: str


class InputId(Document):
    """The scan by its content, never by path or patient; ``shape`` (K, J, I), ``spacing`` (I, J, K) in mm."""

    content_hash: str
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]


class OutputId(Document):
    """The result: hash of voxels and geometry, and of each file's bytes where files were written."""

    content_hash: str
    file_sha256: str | None = None
    disagreement_content_hash: str | None = None
    disagreement_sha256: str | None = None
    labels_content_hash: str | None = None
    labels_sha256: str | None = None


class Record(Document):
    """How a synthetic image was made.

    ``request`` is what was asked for, ``choice`` says why this bundle; ``device``, ``precision``, ``batch``
    and ``planes`` are what really ran. ``region_hash`` is the content hash of the region on the scan's grid
    (1 inside, 0 outside), if only that was translated; ``labels_hash`` that of the scan's label map (0 to
    255), if one was translated along. ``check`` is what was found in the scan. ``timings`` are seconds per
    phase. ``created`` is UTC, ISO 8601.
    """

    product: Literal["CrossModalSynth"] = "CrossModalSynth"
    record_version: Literal[1] = 1
    synthetic: Literal[True] = True
    notice: str = MARK
    request: TranslateRequest
    bundle: BundleId
    choice: str
    seed: int
    device: str
    device_name: str
    precision: str
    batch: int
    planes: tuple[Plane, ...]
    input: InputId
    region_hash: str | None = None
    labels_hash: str | None = None
    output: OutputId
    check: CheckReport
    warnings: tuple[str, ...] = ()
    timings: dict[str, float] = Field(default_factory=dict)
    packages: dict[str, str] = Field(default_factory=lambda: package_versions())
    platform: str = Field(default_factory=lambda: f"{platform.system()} {platform.machine()}")
    created: str = Field(default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec="seconds"))


def bundle_id(bundle: Bundle) -> BundleId:
    """The identity of ``bundle`` as a record holds it."""
    return BundleId(name=bundle.card.name, version=bundle.card.version, hash=bundle.hash)


def package_versions() -> dict[str, str]:
    """Versions of this package, of Python and of everything that computes voxels."""
    versions = {"crossmodalsynth": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "unknown"
    return versions


def record_path(output: Path) -> Path:
    """Where the record of ``output`` lies: OUTPUT.nii.gz has OUTPUT.record.json beside it."""
    return output.with_name(f"{split_name(output)[0]}.record.json")


def disagreement_path(output: Path) -> Path:
    """Where the planes' disagreement lies: OUTPUT.nii.gz has OUTPUT.disagreement.nii.gz beside it."""
    stem, ending = split_name(output)
    return output.with_name(f"{stem}.disagreement{ending}")


def label_map_path(output: Path) -> Path:
    """Where labels translated along lie: OUTPUT.nii.gz has OUTPUT.labels.nii.gz beside it."""
    stem, ending = split_name(output)
    return output.with_name(f"{stem}.labels{ending}")


def split_name(path: Path) -> tuple[str, str]:
    """File name and extension, where .nii.gz counts as one."""
    ending = ".nii.gz" if path.name.lower().endswith(".nii.gz") else path.suffix
    return path.name[: len(path.name) - len(ending)], path.name[len(path.name) - len(ending) :]


def read_record(path: Path) -> Record:
    """Read a record.

    Raises:
        ConfigError: it cannot be read, or is no record of this version.
    """
    try:
        return Record.from_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"{path.name} cannot be read ({error.strerror}); name a .record.json file."
        ) from None


__all__ = [
    "DEVIATION_MARK",
    "LABELS_MARK",
    "MARK",
    "BundleId",
    "InputId",
    "OutputId",
    "Record",
    "bundle_id",
    "disagreement_path",
    "label_map_path",
    "package_versions",
    "read_record",
    "record_path",
    "split_name",
]
