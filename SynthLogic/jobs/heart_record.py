"""The record beside painted labels and offspring: enough to make them again, nothing about the patient."""

from __future__ import annotations

import json
import platform
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field

from SynthLogic.errors import ConfigError
from SynthLogic.jobs.heart_requests import HeartRequest, StyleChoice
from SynthLogic.jobs.record import MARK, BundleId, InputId, Record, package_versions, read_record
from SynthLogic.jobs.requests import Document, Matrix


class Frame(Document):
    """Where a stack lies: voxels along (K, J, I), and IJK-to-RAS in mm."""

    shape: tuple[int, int, int]
    ijk_to_ras: Matrix


class StyleId(Document):
    """A style: what was asked for, what that is in numbers, and hashes of a reference scan and its labels."""

    choice: StyleChoice
    vector: tuple[float, ...]
    image_hash: str | None = None
    labels_hash: str | None = None


class HeartOutput(Document):
    """What was made: content hashes of voxels and geometry, and of each file's bytes."""

    image_hash: str | None = None
    labels_hash: str | None = None
    files: dict[str, str] = Field(default_factory=dict)


class HeartRecord(Document):
    """How an image of a heart, or an offspring of two, was made.

    ``model`` painted, ``codec`` is the label VAE; None where it was not used. ``inputs`` are the label maps
    by content, after their values were understood: the one that was painted and, with ``kept_frame``, what it
    was before an edit; or parents A and B. ``t`` is the place between them (0 is A). ``styles`` are those of
    ``inputs``, ``style`` is what was painted with. ``frame`` is where the networks saw the heart;
    ``kept_frame`` says that it is that of the labels before an edit, and that the image differs from theirs
    round the edit only. ``volumes_ml`` are of the labels in that frame.
    """

    product: Literal["CrossModalSynth"] = "CrossModalSynth"
    record_version: Literal[1] = 1
    synthetic: Literal[True] = True
    notice: str = MARK
    request: HeartRequest
    model: BundleId | None
    codec: BundleId | None
    choice: str
    device: str
    device_name: str
    precision: str
    inputs: tuple[InputId, ...]
    t: float | None = None
    styles: tuple[StyleId, ...] = ()
    style: tuple[float, ...] | None = None
    frame: Frame
    kept_frame: bool = False
    volumes_ml: dict[str, float]
    wall_mm: float | None = None
    output: HeartOutput
    warnings: tuple[str, ...] = ()
    timings: dict[str, float] = Field(default_factory=dict)
    packages: dict[str, str] = Field(default_factory=lambda: _packages())
    platform: str = Field(default_factory=lambda: f"{platform.system()} {platform.machine()}")
    created: str = Field(default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec="seconds"))


# Asked for at every move of a slider.
_once = lru_cache(maxsize=1)(package_versions)


def _packages() -> dict[str, str]:
    return dict(_once())


def read_any_record(path: Path) -> Record | HeartRecord:
    """Read a record of a translation or of a heart.

    Raises:
        ConfigError: it cannot be read, is no record of this version, or is of a heart in an exported folder.
    """
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return read_record(path)  # which says what is wrong
    data = data if isinstance(data, dict) else {}
    # In a sidecar of BIDS the record stands below a name of ours.
    inner = data.get("CrossModalSynth")
    told = inner if isinstance(inner, dict) else data
    request = told.get("request")
    kind = request.get("kind") if isinstance(request, dict) else None
    if kind == "cohort":
        raise ConfigError(
            f"{path.name} is of one heart of a cohort, which is only made again as a whole: give the command "
            "'export' the same label maps and options, and a new folder."
        )
    if "cohort" in told:
        raise ConfigError(
            f"{path.name} is of a heart in an exported folder, where no record says what it was made from; "
            "name the record of the heart that was exported."
        )
    return HeartRecord.from_data(data) if kind in ("paint", "interpolate") else read_record(path)


__all__ = ["Frame", "HeartOutput", "HeartRecord", "StyleId", "read_any_record"]
