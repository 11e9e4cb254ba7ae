"""Run a CohortRequest: offspring of many pairs of hearts, as a folder to train on, one subject at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from SynthLogic.bundles import Bundle
from SynthLogic.cohorts import CohortInfo, CohortReport, Made, Plan, write_cohort
from SynthLogic.errors import ConfigError, InputError
from SynthLogic.hearts import STRUCTURES
from SynthLogic.inference import CancelCallback, Monitor
from SynthLogic.jobs.heart_desk import Hearts, Reference
from SynthLogic.jobs.heart_labels import Heart, check_blendable
from SynthLogic.jobs.heart_record import StyleId
from SynthLogic.jobs.heart_requests import CohortRequest, NamedStyle, ScanStyle, Split, StyleChoice
from SynthLogic.jobs.offspring import Maker
from SynthLogic.jobs.paint import style_id
from SynthLogic.volume import Scan

if TYPE_CHECKING:
    from SynthLogic.inference import Painter

StrPath = str | os.PathLike[str]
_INFO_LABELS = {
    "background": 0,
    **{structure.name: int(label) for label, structure in STRUCTURES.items()},
}


@dataclass(frozen=True, eq=False)
class CohortSubject:
    """One heart that takes part.

    Attributes:
        name: unique; never written unless the request asks for it.
        read: gives its label map; called when it is needed, and again if it was forgotten meanwhile.
        split: "train", "val" or "test".
        patient: whose heart it is, where several are one patient's.
    """

    name: str
    read: Callable[[], Scan]
    split: Split | None = None
    patient: str | None = None


@dataclass(frozen=True, eq=False)
class CohortStyle:
    """A reference scan for a style of kind "scan"; ``of`` names the subject that it is of, for the guard."""

    reference: Reference
    of: str | None = None


def export_cohort(
    request: CohortRequest,
    subjects: Sequence[CohortSubject],
    folder: StrPath,
    progress: Callable[[int, int, str], None] | None = None,
    cancel: CancelCallback | None = None,
    *,
    codec_bundle: Bundle | None = None,
    model_bundle: Bundle | None = None,
    references: Sequence[CohortStyle] = (),
    hearts: Hearts | None = None,
) -> CohortReport:
    """Write offspring of pairs of subjects, one after the other, each whole or not at all.

    Memory holds the subjects used last and one offspring. Asked for again it goes on where it stopped; what
    is complete is not made twice. Pairs across splits are left out, so that nothing to train on descends
    from a test subject.

    Args:
        request: what to do.
        subjects: in the order that the request's pairs count.
        folder: new, empty, or with this very cohort.
        progress: told (done, total, name) after each subject.
        cancel: asked between all steps.
        codec_bundle: to use instead of the installed one of that name.
        model_bundle: likewise.
        references: for the request's styles of kind "scan", in their order.
        hearts: what is kept from earlier jobs.

    Raises:
        ConfigError: nothing to make, names that are not unique, or splits that contradict each other.
        InputError, BundleError, DeviceError, OutputError: see there; subjects that are complete stay.
    """
    pairs = _pairs(request, subjects)
    hearts = hearts or Hearts()
    monitor = Monitor(None, cancel)
    maker = monitor.interruptible(
        lambda: Maker(request, hearts, codec_bundle=codec_bundle, model_bundle=model_bundle)
    )
    assert maker.painter is not None
    desk = _Subjects(request, subjects, hearts, monitor)
    # Every heart is looked at before the first is made: better now than after hours.
    desk.check(sorted({place for pair in pairs for place in pair} | set(_alone(request, subjects))))
    styles = _styles(request, hearts, maker.painter, references)
    plan = _plan(request, subjects, pairs, styles, references)

    def make(entry: Plan) -> Made:
        (first, *second), style = entry.data
        a = desk.heart(first)
        b = desk.heart(second[0]) if second else None
        step = maker.step(a, b, entry.position or 0.0, [style], Monitor(None, cancel))
        assert step.image is not None
        return Made(step.image, step.labels, step.record.model_dump(mode="json"))

    splits = {subject.name: subject.split for subject in subjects if subject.split is not None}
    return write_cohort(
        plan,
        make,
        Path(folder),
        layout=request.layout,
        request=_told(request, maker, styles),
        splits=splits,
        info=CohortInfo(title=request.title, labels=_INFO_LABELS, dataset_id=request.dataset_id),
        patients={subject.name: subject.patient for subject in subjects if subject.patient},
        unknown_split=None if splits else "train",
        keep_parent_names=request.keep_parent_names,
        progress=progress,
        cancel=cancel,
    )


class _Subjects:
    """Reads subjects when they are needed; ``Hearts`` remembers some of them."""

    def __init__(
        self, request: CohortRequest, subjects: Sequence[CohortSubject], hearts: Hearts, monitor: Monitor
    ) -> None:
        self._request, self._subjects, self._hearts, self._monitor = request, subjects, hearts, monitor
        self._hashes: dict[int, str] = {}

    def heart(self, place: int) -> Heart:
        known = self._hashes.get(place)
        found = None if known is None else self._hearts.known(known, self._request.labels)
        if found is not None:
            return found
        subject = self._subjects[place]
        scan = self._monitor.interruptible(subject.read)
        heart = self._hearts.heart(scan, self._request.labels, name=subject.name)
        if known not in (None, scan.content_hash):
            raise InputError(f"{subject.name} was changed while the cohort was made; export again.")
        self._hashes[place] = scan.content_hash
        return heart

    def check(self, places: Sequence[int]) -> None:
        first: tuple[str, Heart] | None = None
        for place in places:
            self._monitor.check()
            heart, name = self.heart(place), self._subjects[place].name
            try:
                heart.raise_if_stopped(self._request.force)
            except InputError as error:
                raise InputError(f"{name}: {error}") from None
            first = first or (name, heart)
            check_blendable([first, (name, heart)])


def _pairs(request: CohortRequest, subjects: Sequence[CohortSubject]) -> list[tuple[int, int]]:
    names = [subject.name for subject in subjects]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"Two subjects are called {twice!r}; rename one of them.")
    if request.pairs == "all":
        pairs = list(combinations(range(len(subjects)), 2))
    else:
        pairs = list(dict.fromkeys(request.pairs))
        beyond = next((pair for pair in pairs if max(pair) >= len(subjects)), None)
        if beyond is not None:
            raise ConfigError(f"The pair {beyond} names a subject beyond the {len(subjects)} that there are.")
    if not pairs and not request.parents:
        raise ConfigError(
            "At least two subjects are needed for offspring; give more, or ask for the parents."
        )
    return pairs


def _alone(request: CohortRequest, subjects: Sequence[CohortSubject]) -> range:
    return range(len(subjects) if request.parents else 0)


def _styles(
    request: CohortRequest, hearts: Hearts, painter: Painter, references: Sequence[CohortStyle]
) -> list[StyleId]:
    wanted: Sequence[StyleChoice] = request.styles or tuple(
        NamedStyle(name=style.name) for style in painter.bundle.card.styles
    )
    scans = iter(references)
    result = []
    for choice in wanted:
        given = next(scans, None) if isinstance(choice, ScanStyle) else None
        reference = None if given is None else given.reference
        result.append(style_id(hearts, painter, choice, reference))
    return result


def _plan(
    request: CohortRequest,
    subjects: Sequence[CohortSubject],
    pairs: Sequence[tuple[int, int]],
    styles: Sequence[StyleId],
    references: Sequence[CohortStyle],
) -> list[Plan]:
    """Every subject to make: parents first, then pair by pair, so that few hearts are needed at a time."""
    plan: list[Plan] = []
    named = _named(styles, references)
    for place in _alone(request, subjects):
        for style, (name, lenders, seed) in zip(styles, named, strict=True):
            plan.append(
                Plan(
                    (subjects[place].name,),
                    style=name,
                    style_parents=lenders,
                    seed=seed,
                    slices=request.slices,
                    data=((place,), style),
                )
            )
    for pair in pairs:
        for number in range(1, request.steps + 1):
            for style, (name, lenders, seed) in zip(styles, named, strict=True):
                plan.append(
                    Plan(
                        tuple(subjects[place].name for place in pair),
                        step=(number, request.steps),
                        position=number / (request.steps + 1),
                        style=name,
                        style_parents=lenders,
                        seed=seed,
                        data=(pair, style),
                    )
                )
    return plan


def _named(
    styles: Sequence[StyleId], references: Sequence[CohortStyle]
) -> list[tuple[str, tuple[str, ...], int | None]]:
    """What each style is called, whose scans lent it, and its seed."""
    result: list[tuple[str, tuple[str, ...], int | None]] = []
    scans = 0
    for style in styles:
        choice = style.choice
        if isinstance(choice, ScanStyle):
            lender = references[scans].of
            scans += 1
            result.append((f"scan{scans}", (lender,) if lender else (), None))
        elif isinstance(choice, NamedStyle):
            result.append((choice.name, (), choice.seed))
        else:
            result.append(("any", (), choice.seed))
    return result


def _told(request: CohortRequest, maker: Maker, styles: Sequence[StyleId]) -> Mapping[str, object]:
    """What tells this cohort from another: the request, both bundles, and the styles in numbers."""
    assert maker.painter is not None
    return {
        "request": request.model_dump(mode="json", exclude={"device", "precision", "force"}),
        "codec_bundle": {"name": maker.codec.bundle.name, "hash": maker.codec.bundle.hash},
        "model_bundle": {"name": maker.painter.bundle.name, "hash": maker.painter.bundle.hash},
        "styles": [list(style.vector) for style in styles],
    }


__all__ = ["CohortStyle", "CohortSubject", "export_cohort"]
