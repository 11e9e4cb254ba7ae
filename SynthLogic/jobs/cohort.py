"""Run a CohortRequest: offspring of many pairs of hearts, as a folder to train on, one subject at a time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from SynthLogic.bundles import Bundle
from SynthLogic.cohorts import CohortInfo, CohortReport, Made, Plan, write_cohort
from SynthLogic.errors import ConfigError, InputError
from SynthLogic.hearts import STRUCTURES
from SynthLogic.inference import CancelCallback, Monitor
from SynthLogic.jobs.cohort_plan import CohortStyle, CohortSubject, Place, alone, pairs_of, plan_of
from SynthLogic.jobs.heart_desk import Hearts
from SynthLogic.jobs.heart_labels import Heart, check_blendable
from SynthLogic.jobs.heart_record import StyleId
from SynthLogic.jobs.heart_requests import CohortRequest, NamedStyle, ScanStyle, StyleChoice
from SynthLogic.jobs.offspring import Maker
from SynthLogic.jobs.paint import style_id

if TYPE_CHECKING:
    from SynthLogic.inference import Painter

StrPath = str | os.PathLike[str]
_INFO_LABELS = {
    "background": 0,
    **{structure.name: int(label) for label, structure in STRUCTURES.items()},
}


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
    others: Mapping[str, Place] | None = None,
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
        references: for the request's styles of kind "scan", in their order. Where splits are given it must be
            known whose they are; a subject's own label map is recognised.
        others: whoever else has a split or a patient, such as a patient's hearts that do not take part.
        hearts: what is kept from earlier jobs.

    Raises:
        ConfigError: nothing to make, names that are not unique, or splits that contradict each other.
        InputError, BundleError, DeviceError, OutputError: see there; subjects that are complete stay.
    """
    pairs = pairs_of(request, subjects)
    hearts = hearts or Hearts()
    monitor = Monitor(None, cancel)
    maker = monitor.interruptible(
        lambda: Maker(request, hearts, codec_bundle=codec_bundle, model_bundle=model_bundle)
    )
    assert maker.painter is not None
    desk = _Subjects(request, subjects, hearts, monitor)
    # Every heart is looked at before the first is made: better now than after hours.
    hashes = desk.check(sorted({place for pair in pairs for place in pair} | set(alone(request, subjects))))
    places = dict(others or {})
    places |= {subject.name: (subject.split, subject.patient) for subject in subjects}
    splits: dict[str, str] = {name: split for name, (split, _) in places.items() if split is not None}
    styles = _styles(request, hearts, maker.painter, references)
    plan = plan_of(request, subjects, pairs, styles, _lenders(references, desk, bool(splits)))

    def make(entry: Plan) -> Made:
        (first, *second), style = entry.data
        a = desk.heart(first)
        b = desk.heart(second[0]) if second else None
        step = maker.step(a, b, entry.position or 0.0, [style], Monitor(None, cancel))
        assert step.image is not None
        return Made(step.image, step.labels, step.record.model_dump(mode="json"))

    return write_cohort(
        plan,
        make,
        Path(folder),
        layout=request.layout,
        request=_told(request, maker, styles, list(hashes.values())),
        splits=splits,
        info=_info(request, maker),
        patients={name: patient for name, (_, patient) in places.items() if patient},
        unknown_split=None if splits else "train",
        contents={subjects[place].name: content for place, content in hashes.items()},
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
        self._contents: dict[int, str] = {}

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
        self._hashes[place], self._contents[place] = scan.content_hash, heart.content_hash
        return heart

    def showing(self, content: str) -> list[str]:
        """Names of all subjects with that label map, of those that do not take part as well."""
        for place in range(len(self._subjects)):
            if place not in self._contents:
                self.heart(place)
        return [self._subjects[place].name for place, held in self._contents.items() if held == content]

    def check(self, places: Sequence[int]) -> dict[int, str]:
        """Look at the hearts at these places; return hashes of their label maps, values understood."""
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
        return {place: self._contents[place] for place in places}


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
        result.append(style_id(hearts, painter, choice, reference, request.force))
    return result


def _lenders(references: Sequence[CohortStyle], desk: _Subjects, splits_given: bool) -> list[tuple[str, ...]]:
    """Whose each reference scan is, as far as the guard needs it."""
    lenders = []
    for reference in references:
        own = desk.showing(reference.reference.labels.content_hash) if splits_given else []
        lenders.append(tuple(dict.fromkeys((*reference.of, *own))))
        if splits_given and not lenders[-1]:
            raise ConfigError(
                f"{reference.name} lends a style, but nothing says whether it is for training or for test; "
                "add a row for it to the table of splits."
            )
    return lenders


def _info(request: CohortRequest, maker: Maker) -> CohortInfo:
    """What the tables say of the whole cohort."""
    assert maker.painter is not None
    used = " and ".join(f"{b.name} {b.card.version}" for b in (maker.codec.bundle, maker.painter.bundle))
    return CohortInfo(
        title=request.title,
        labels=_INFO_LABELS,
        dataset_id=request.dataset_id,
        licence=request.licence,
        reference=f"Made with CrossModalSynth ({used}) after Amirrajab et al. 2022",
        authors=request.authors,
    )


def _told(
    request: CohortRequest, maker: Maker, styles: Sequence[StyleId], hashes: Sequence[str]
) -> Mapping[str, object]:
    """What tells this cohort from another: request, bundles, the styles in numbers, the hearts' voxels."""
    assert maker.painter is not None
    return {
        # One for all of them, under a key that is left out of what is written.
        "subjects_hash": hashlib.sha256(" ".join(hashes).encode()).hexdigest(),
        "request": request.model_dump(mode="json", exclude={"device", "precision", "force"}),
        "codec_bundle": {"name": maker.codec.bundle.name, "hash": maker.codec.bundle.hash},
        "model_bundle": {"name": maker.painter.bundle.name, "hash": maker.painter.bundle.hash},
        "styles": [list(style.vector) for style in styles],
    }


__all__ = ["CohortStyle", "CohortSubject", "export_cohort"]
