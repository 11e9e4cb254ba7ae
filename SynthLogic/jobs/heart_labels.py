"""Label maps of hearts: what their values are, whether they look like hearts, and how networks see them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from SynthLogic.errors import InputError
from SynthLogic.hearts import STRUCTURES, HeartLabel, match_values, nesting_problem, to_short_axis
from SynthLogic.hearts.rv_wall import rv_wall_share
from SynthLogic.jobs.check import Finding
from SynthLogic.volume import Scan, Volume, content_hash, read_volume

if TYPE_CHECKING:
    from SynthLogic.hearts import ShortAxis

_MOST_VALUES = 64
_FEW_SLICES = 5
# A newborn's LV cavity holds a few ml at end systole; 1 mm taken for 0.1 mm makes 0.2 ml of an adult's.
_LEAST_ML, _MOST_ML = 1.0, 1000.0
_TILTED = 30.0
_RV_WALLED = 0.7


@dataclass(frozen=True, eq=False)
class Heart:
    """A label map that was understood; light, as the label map itself is not held.

    Attributes:
        content_hash: of the label map with the values of ``HeartLabel``, whatever values stood there.
        short_axis: the labels in the frame of the networks; ``source`` is the grid that they came on.
        findings: what is worth saying, none of them an error.
    """

    content_hash: str
    short_axis: ShortAxis
    findings: tuple[Finding, ...]

    @property
    def structures(self) -> frozenset[int]:
        """Values of the structures that it has."""
        return frozenset(np.flatnonzero(np.bincount(self.short_axis.labels.ravel())).tolist()) - {0}

    def raise_if_stopped(self, force: bool) -> None:
        """Stop at what needs force, unless ``force``.

        Raises:
            InputError: with what was found and what to do.
        """
        doubts = [f.message.rstrip(".") for f in self.findings if f.needs_force]
        if doubts and not force:
            raise InputError(f"{'; '.join(doubts)}; add --force to go on all the same.")


def heart_of(scan: Scan, values: str = "mms", *, like: ShortAxis | None = None, name: str = "") -> Heart:
    """Understand a label map and bring it into the frame of the networks.

    Args:
        scan: integers, or floats that are whole numbers.
        values: what they are; see ``hearts.match_values``.
        like: the same heart before an edit; see ``hearts.to_short_axis``.
        name: of the subject, to begin errors with.

    Raises:
        InputError: values unknown or missing, no labels, or no heart that the networks can see.
    """
    try:
        labels = _labels(scan.volume, values)
        short_axis = to_short_axis(labels, like=like)
    except InputError as error:
        raise InputError(f"{name}: {error}" if name else str(error)) from error
    own = scan.content_hash if labels.array is scan.volume.array else content_hash(labels)
    return Heart(own, short_axis, _findings(short_axis, labels))


def read_heart(path: Path, values: str = "mms") -> Heart:
    """Read a label map from a file.

    Raises:
        InputError: it cannot be read, or as ``heart_of``; the sentence names the file.
    """
    return heart_of(read_volume(path), values, name=path.name)


def check_blendable(hearts: Sequence[tuple[str, Heart]]) -> None:
    """Check that hearts have slices to go between, and the same structures.

    Args:
        hearts: what each is called in messages, and the heart.

    Raises:
        InputError: names the first that is wrong and what it lacks.
    """
    first, expected = hearts[0][0], hearts[0][1].structures
    for name, heart in hearts:
        if len(heart.short_axis.labels) < 2:
            raise InputError(
                f"{name} has labels on 1 slice, and at least 2 are needed for slices between; label more."
            )
        if heart.structures != expected:
            raise InputError(
                f"{first} has {_names(expected)}, but {name} has {_names(heart.structures)}: only hearts "
                "with the same structures can be blended; label what is missing, or leave that one out."
            )


def _labels(volume: Volume, values: str) -> Volume:
    array = volume.array
    if array.dtype == np.uint8:
        found = np.flatnonzero(np.bincount(array.ravel(), minlength=256))
    else:
        found = np.unique(array)
    if len(found) > _MOST_VALUES:
        raise InputError(
            f"There are {len(found)} different values, so this is an image and no label map; "
            "give the segmentation of the heart."
        )
    if not np.array_equal(found, np.rint(found)):
        listed = ", ".join(f"{value:g}" for value in found[found != np.rint(found)][:3])
        raise InputError(
            f"Values such as {listed} are no whole numbers, and labels must be; save the segmentation as "
            "integers, without resampling or scaling."
        )
    present = [int(value) for value in found if value]
    if not present:
        raise InputError("The segmentation is empty; draw the heart, or choose another segmentation.")
    array = array.astype(np.int32) if array.dtype.kind == "f" else array
    matching = match_values(present, values).check()
    if array.dtype == np.uint8 and all(matching.labels[value] == value for value in present):
        return volume if array is volume.array else volume.with_array(array)
    return volume.with_array(matching.apply(array))


def _findings(short_axis: ShortAxis, labels: Volume) -> tuple[Finding, ...]:
    """What there is to say of a heart, and of the label map (values of ``HeartLabel``) it came from."""
    found: list[Finding] = []
    # Within the slices alone: those of a few thick ones have no myocardium above and below.
    problem = nesting_problem(Volume(short_axis.labels, np.diag([1.0, 1.0, 1e4, 1.0])))
    walled = rv_wall_share(short_axis.labels) >= _RV_WALLED
    # Of ventricles that are exchanged, the place says nothing about the slices.
    tilted = None if problem and walled else _tilt_problem(short_axis)
    found += [
        Finding(level="warning", code=code, message=message, needs_force=True)
        for code, message in (("nesting", problem), ("volume", _volume_problem(labels)), ("tilt", tilted))
        if message
    ]
    if walled and not problem:
        message = "The wall of the right ventricle is labelled as myocardium; offspring will not have it."
        found.append(Finding(level="warning", code="rv-wall", message=message))
    missing = [label for label in STRUCTURES if not (short_axis.labels == label).any()]
    if missing:
        message = f"The labels have no {_names(missing)}; the image will show none."
        found.append(Finding(level="warning", code="missing", message=message))
    count = len(short_axis.labels)
    if count < _FEW_SLICES:
        plural = "slice has" if count == 1 else "slices have"
        found.append(
            Finding(level="note", code="few-slices", message=f"Only {count} {plural} labels of the heart.")
        )
    return tuple(found)


def _volume_problem(labels: Volume) -> str | None:
    """One sentence if no heart has an LV cavity of that size; a few slices may hold little of it."""
    cavity = labels.array == HeartLabel.LV_CAVITY
    millilitres = int(cavity.sum()) * abs(float(np.linalg.det(labels.ijk_to_ras[:3, :3]))) / 1000
    if not millilitres:
        return None
    if millilitres > _MOST_ML:
        limit = f"more than {_MOST_ML:g}"
    elif millilitres < _LEAST_ML and _thickness(cavity) >= _FEW_SLICES:
        limit = f"less than {_LEAST_ML:g}"
    else:
        return None
    return (
        f"The LV cavity measures {round(millilitres, 2):g} ml, and no heart's {limit}; check that the voxel "
        "spacing is in mm, and which value is which."
    )


def _thickness(mask: NDArray[np.bool_]) -> int:
    """Slices that a mask reaches over, along whichever axis has fewest."""
    return min(int(mask.any(axis=axes).sum()) for axes in ((1, 2), (0, 2), (0, 1)))


def _tilt_problem(short_axis: ShortAxis) -> str | None:
    tilt = short_axis.tilt
    if tilt is None or tilt <= _TILTED:
        return None
    return (
        f"These slices do not lie across the heart (its long axis is {tilt:.0f} degrees off their normal); "
        "give a short-axis stack, or a label map of cubic voxels, from which such slices are cut."
    )


def _names(labels: Collection[int]) -> str:
    return ", ".join(structure.name for label, structure in STRUCTURES.items() if label in labels) or "none"


__all__ = ["Heart", "check_blendable", "heart_of", "read_heart"]
