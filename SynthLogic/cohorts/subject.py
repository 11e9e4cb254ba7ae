"""What a cohort is asked to hold, what it holds, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from SynthLogic.volume import Volume

MARK = "Synthetic image. Research use only, not for diagnosis."
"""The mark of every file; at most 79 bytes of ASCII, as NIfTI's ``descrip`` holds no more."""


@dataclass(frozen=True)
class Plan:
    """One subject to make, known before anything is computed.

    Attributes:
        parents: ids of the hearts it descends from, one or more; never written unless asked for.
        step: (number, of how many) between the parents, as in "t03of08"; None for a parent as it is.
        position: 0 at the first parent, 1 at the last; None where that means nothing.
        style: what the style is called, as in "styleA".
        style_parents: ids of the scans that lent the style; the guard counts them as parents.
        seed: of the painter.
        slices: how many, where one parent is cut anew.
        take: number among subjects that would otherwise be called the same.
        data: anything that ``make`` wants to find again; neither read nor written.
    """

    parents: tuple[str, ...]
    step: tuple[int, int] | None = None
    position: float | None = None
    style: str = ""
    style_parents: tuple[str, ...] = ()
    seed: int | None = None
    slices: int | None = None
    take: int | None = None
    data: Any = field(default=None, compare=False)


class Made(NamedTuple):
    """A subject as it was made.

    Attributes:
        image: voxels (K, J, I), finite.
        labels: on the image's grid; whole numbers that ``CohortInfo.labels`` names.
        record: plain JSON, how it was made.
    """

    image: Volume
    labels: Volume
    record: Mapping[str, Any]


@dataclass(frozen=True)
class CohortInfo:
    """What the whole cohort is.

    Attributes:
        title: of the data set; nnU-Net takes it into the folder's name.
        labels: name -> value, from background 0 without gaps.
        channel: what nnU-Net calls the image; it normalises by that name.
        description: one or two sentences.
        licence: of the images, such as "CC0-1.0"; empty where it is for the user to say.
        reference: whom or what to cite.
        authors: of the data set.
        dataset_id: nnU-Net's number, 1 to 999.
    """

    title: str = "SyntheticHearts"
    labels: Mapping[str, int] = field(
        default_factory=lambda: {"background": 0, "LV cavity": 1, "LV myocardium": 2, "RV cavity": 3}
    )
    channel: str = "MRI"
    description: str = "Synthetic short-axis cardiac MR with labels."
    licence: str = ""
    reference: str = "CrossModalSynth"
    authors: tuple[str, ...] = ()
    dataset_id: int = 501


@dataclass(frozen=True)
class Row:
    """One complete subject, as manifest and tables hold it.

    Attributes:
        name: unique in the cohort.
        split: "train", "val" or "test".
        parents: as written, pseudonyms as a rule.
        step: number and count, or None.
        position: 0 to 1, or None.
        style: as written.
        seed: of the painter.
        slices: of the image.
        volumes_ml: of each structure but the background, as ``measure.volumes_ml`` gives them.
        files: path relative to the cohort's folder -> SHA-256 of the file.
    """

    name: str
    split: str
    parents: tuple[str, ...]
    step: tuple[int, int] | None
    position: float | None
    style: str
    seed: int | None
    slices: int
    volumes_ml: dict[str, float]
    files: dict[str, str]


class Why(NamedTuple):
    """A subject that is not in the cohort, and the reason in one sentence."""

    name: str
    reason: str


@dataclass(frozen=True)
class CohortReport:
    """What an export did.

    Attributes:
        folder: where the cohort lies; for nnU-Net the folder DatasetXXX_TITLE.
        written: names made now.
        skipped: names that were complete before.
        left_out: kept out by the guard.
        failed: could not be made.
        cancelled: the user stopped it; asked for again, it goes on.
        pseudonyms: the parents' ids -> what the files call them. In memory only.
    """

    folder: Path
    written: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    left_out: tuple[Why, ...] = ()
    failed: tuple[Why, ...] = ()
    cancelled: bool = False
    pseudonyms: Mapping[str, str] = field(default_factory=dict)


Make = Callable[[Plan], "Made | tuple[Volume, Volume, Mapping[str, Any]]"]
ProgressCallback = Callable[[int, int, str], None]
"""Told (subjects done, subjects in all, name of the last one)."""
CancelCallback = Callable[[], bool]
"""True: stop before the next subject."""
