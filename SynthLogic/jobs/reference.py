"""Scans whose style is wanted: read with their labels, and checked that the two belong together."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from SynthLogic.errors import InputError
from SynthLogic.hearts import HeartLabel
from SynthLogic.jobs.heart_desk import Reference
from SynthLogic.jobs.heart_labels import Heart, read_heart
from SynthLogic.volume import Scan, Volume, read_volume

_FEW_VALUES = 12
_COVERED = 0.95
_SAMPLE = 1_000_000


def read_reference(image: Path, labels: Path, values: str = "mms", force: bool = False) -> Reference:
    """A scan and its labels from files.

    Args:
        image: a short-axis cine MR.
        labels: of the same heart; any grid that lies in the image's.
        values: what they are; see ``hearts.match_values``.
        force: go on although the labels do not look like a heart, or not like that scan's.

    Raises:
        InputError: either cannot be read or used, or they do not belong together; it names the file.
    """
    heart = read_heart(labels, values)
    scan = read_volume(image)
    return checked_reference(scan, heart, force, (image.name, labels.name))


def checked_reference(
    scan: Scan, heart: Heart, force: bool = False, files: tuple[str, str] | None = None
) -> Reference:
    """As ``read_reference``, of what was read already.

    Args:
        scan: a short-axis cine MR.
        heart: in it.
        force: see there.
        files: names of image and labels, for messages; None where they are no files.

    Raises:
        InputError: they cannot be used, or do not belong together.
    """
    image, labels = files or ("Reference scan", "Reference scan")
    try:
        _check_image(scan.volume, heart)
    except InputError as error:
        raise InputError(f"{image}: {error}") from None
    try:
        heart.raise_if_stopped(force)
        if not force:
            _check_blood(scan.volume, heart, image if files else "the scan")
    except InputError as error:
        raise InputError(f"{labels}: {error}") from None
    return Reference(scan, heart)


def _check_image(image: Volume, heart: Heart) -> None:
    """Whether it is an image, and shows the heart."""
    step = max(1, round((image.array.size / _SAMPLE) ** (1 / 3)))
    count = len(np.unique(image.array[::step, ::step, ::step]))
    if count <= _FEW_VALUES:
        raise InputError(f"There are {count} different values, so this is no image; give the scan itself.")
    frame = heart.short_axis
    places = frame.grid.to_ras(np.stack(np.nonzero(frame.labels)[::-1], axis=1))
    ijk = image.grid.to_ijk(places)
    inside = ((ijk >= -0.5) & (ijk <= np.asarray(image.shape[::-1]) - 0.5)).all(axis=1).mean()
    if inside < _COVERED:
        raise InputError(
            f"Only {inside:.0%} of the heart that was labelled lies in this image; give the scan that the "
            "labels are of."
        )


def _check_blood(image: Volume, heart: Heart, name: str) -> None:
    """Whether blood is brighter than muscle, as in any cine MR."""
    frame = heart.short_axis
    pixels = frame.resample(image)
    blood, muscle = (pixels[frame.labels == label] for label in (HeartLabel.LV_CAVITY, HeartLabel.MYOCARDIUM))
    if len(blood) and len(muscle) and blood.mean() <= muscle.mean():
        raise InputError(
            f"What is labelled LV cavity is no brighter in {name} than the myocardium, so these may not be "
            "its labels: give those that are; add --force to go on all the same."
        )


__all__ = ["checked_reference", "read_reference"]
