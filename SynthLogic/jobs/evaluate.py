"""Evaluate synthetic images, or label maps, of one subject or of many, and compare methods by subject."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from SynthLogic.errors import Cancelled, ConfigError, InputError
from SynthLogic.jobs.evaluate_match import Entry, match, volumes_in
from SynthLogic.jobs.evaluate_request import EvaluateRequest
from SynthLogic.jobs.evaluate_subject import STRUCTURES, Case, Row, measure_subject, modality_of
from SynthLogic.jobs.evaluate_tables import FILES, tables_of, write_evaluation
from SynthLogic.jobs.output import only_writer
from SynthLogic.review.measures import IMAGE_MEASURES, LABEL_MEASURES, MISALIGNMENT_MEASURES, Measure
from SynthLogic.review.statistics import FEW, Comparison, Summary, compare, holm, summary
from SynthLogic.review.tables import Table
from SynthLogic.volume import read_volume

ProgressCallback = Callable[[int, int, str], None]
CancelCallback = Callable[[], bool]


@dataclass(frozen=True)
class Compared:
    """One measure of the first set against another, by subject, with p corrected over the measures (Holm)."""

    other: str
    measure: Measure
    result: Comparison
    wilcoxon_holm: float | None
    t_holm: float | None


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        request: what was asked, with the modality that was found.
        images: names of the sets, the first one first.
        measures: that have a value somewhere, in order.
        rows: by subject, image and region.
        summaries: (image, region, measure, over subjects).
        compared: the first set against the others, over the whole region.
        warnings: everything that a reader must know, one sentence each: what is unmatched, resampled, failed.
        failed: subject -> why, of subjects without figures.
    """

    request: EvaluateRequest
    images: tuple[str, ...]
    measures: tuple[Measure, ...]
    rows: tuple[Row, ...]
    summaries: tuple[tuple[str, str, Measure, Summary], ...]
    compared: tuple[Compared, ...]
    warnings: tuple[str, ...]
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def whole(self) -> str:
        """Name of the region that is the subject as a whole."""
        return STRUCTURES if self.request.kind == "labels" else self.request.mask

    @property
    def units(self) -> str:
        """Of the images."""
        return "HU" if self.request.modality == "CT" else "a.u."

    @property
    def tables(self) -> tuple[Table, ...]:
        """By subject, by region, over subjects, compared; see `evaluate_tables.tables_of`."""
        return tables_of(self)


def evaluate(
    request: EvaluateRequest,
    synthetic: Path,
    truth: Path | None = None,
    *,
    source: Path | None = None,
    labels: Path | None = None,
    against: Sequence[Path] = (),
    output: Path | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelCallback | None = None,
) -> Evaluation:
    """Measure every subject, summarise over subjects, compare sets, and write tables all or none.

    Each place is one volume, a folder of volumes or a pattern; see `evaluate_match.volumes_in`. What does not
    belong to anything is named in the warnings. With one subject whatever is wrong is raised; with several a
    subject that cannot be measured is named in ``failed`` and the others go on.

    Args:
        request: what to measure.
        synthetic: the images to judge, or label maps.
        truth: the true images; may be None if ``source`` is given.
        source: what the images were made from.
        labels: label maps on the truth's grid; figures are also taken in each label.
        against: other sets of images of the same subjects.
        output: folder for ``evaluate_tables.FILES``; None writes nothing.
        progress: told (done, in all, "subjects").
        cancel: True stops before the next subject.

    Raises:
        ConfigError: a request that contradicts itself.
        InputError: what is wrong with the files, and what to do.
        OutputError: the folder cannot be written.
        Cancelled: nothing was written.
    """
    _check(request, truth, source, labels)
    with only_writer(output) if output is not None else contextlib.nullcontext():
        warnings: list[str] = []
        names, cases = _cases(synthetic, truth, source, labels, against, warnings)
        if request.kind == "images" and request.modality is None:
            first = cases[0].truth or next(iter(cases[0].images.values()))
            request = request.model_copy(update={"modality": modality_of(read_volume(first), first)})
            warnings.append(f"The images were taken for {request.modality}; say --modality if they are not.")
        rows: list[Row] = []
        failed: dict[str, str] = {}
        for number, case in enumerate(cases):
            if cancel is not None and cancel():
                raise Cancelled("Cancelled.")
            try:
                measured = measure_subject(case, request, request.modality)
            except InputError as error:
                if len(cases) == 1:
                    raise
                failed[case.subject] = str(error)
                warnings.append(f"{case.subject} was left out: {error}")
            else:
                rows += measured.rows
                warnings += measured.notes
            if progress is not None:
                progress(number + 1, len(cases), "subjects")
        if not rows:
            raise InputError(f"No subject could be measured; the first: {next(iter(failed.values()))}")
        evaluation = _evaluation(request, names, rows, warnings, failed)
        if output is not None:
            write_evaluation(evaluation, output)
    return evaluation


def _check(request: EvaluateRequest, truth: Path | None, source: Path | None, labels: Path | None) -> None:
    if truth is None and source is None:
        raise ConfigError("There is nothing to compare with; give TRUTH, or --input without it.")
    if request.kind == "labels":
        if truth is None:
            raise ConfigError("Label maps are compared with TRUTH; give it.")
        if labels is not None or source is not None or request.mask != "all" or request.misalignment:
            raise ConfigError(
                "--labels, --input, --mask and --misalignment are for images; leave them out for label maps."
            )


def _cases(
    synthetic: Path,
    truth: Path | None,
    source: Path | None,
    labels: Path | None,
    against: Sequence[Path],
    warnings: list[str],
) -> tuple[tuple[str, ...], list[Case]]:
    """Names of the sets of images, and the files of every subject that can be measured."""
    entries = volumes_in(synthetic, "SYNTHETIC")
    subjects: dict[Entry, str] = {entry: entry.name for entry in entries}

    def others(place: Path, what: str) -> dict[Entry, Path]:
        matched = match(entries, volumes_in(place, what), ("SYNTHETIC", what))
        subjects.update({entry: name for name, entry, _ in matched.pairs})
        for side, left in (("SYNTHETIC", matched.only_first), (what, matched.only_second)):
            if left:
                other = what if side == "SYNTHETIC" else "SYNTHETIC"
                listed = ", ".join(entry.name for entry in left)
                warnings.append(f"Without a counterpart in {other}, of {side}: {listed}.")
        return {entry: found.path for _, entry, found in matched.pairs}

    names = _set_names([synthetic, *against])
    sets = [{entry: entry.path for entry in entries}]
    sets += [others(place, f"--against {name}") for place, name in zip(against, names[1:], strict=True)]
    regions = others(labels, "--labels") if labels is not None else {}
    sources = others(source, "--input") if source is not None else {}
    # Last, so that a subject is called what the truth and the images have in common.
    truths = others(truth, "TRUTH") if truth is not None else {}
    cases: list[Case] = []
    for entry in entries:
        if (truth is not None and entry not in truths) or (source is not None and entry not in sources):
            continue
        images = {name: one[entry] for name, one in zip(names, sets, strict=True) if entry in one}
        subject = subjects[entry]
        if any(case.subject == subject for case in cases):
            subject = entry.name
        cases.append(Case(subject, images, truths.get(entry), sources.get(entry), regions.get(entry)))
    if not cases:
        raise InputError("No volume has both a truth and an input; give all the same names.")
    return names, cases


def _set_names(places: Sequence[Path]) -> tuple[str, ...]:
    """What sets are called: their folders' or files' names, told apart by number where they are the same."""
    names: list[str] = []
    for place in places:
        plain = [part for part in place.parts if not any(c in part for c in "*?[")]
        name = (plain[-1] if plain else "") or "images"
        name = place.resolve().name if name in (".", "..") else name
        number = 2
        unique = name
        while unique in names:
            unique, number = f"{name} ({number})", number + 1
        names.append(unique)
    return tuple(names)


def _evaluation(
    request: EvaluateRequest,
    names: tuple[str, ...],
    rows: list[Row],
    warnings: list[str],
    failed: dict[str, str],
) -> Evaluation:
    known = LABEL_MEASURES if request.kind == "labels" else (*IMAGE_MEASURES, *MISALIGNMENT_MEASURES)
    measures = tuple(m for m in known if any(row.figures.get(m.key) is not None for row in rows))
    keys = {m.key for m in measures}
    if "mae" in keys and "ssim" not in keys:
        warnings.append(
            "Windowed SSIM could not be taken: slices or regions are smaller than its windows, or"
            " scikit-image is missing (pip install 'crossmodalsynth[app]')."
        )
    rows = _with_empty_regions(rows)
    regions = dict.fromkeys((row.value, row.region) for row in rows)
    summaries = tuple(
        (image, region, m, summary(list(_values(rows, image, value, m).values()), request.seed))
        for value, region in regions
        for image in names
        for m in measures
    )
    compared: list[Compared] = []
    for other in names[1:]:
        results = [_compare(rows, names[0], other, m, request.seed) for m in measures]
        corrected = zip(
            measures,
            results,
            holm([r.wilcoxon_p for r in results]),
            holm([r.t_p for r in results]),
            strict=True,
        )
        compared += [Compared(other, m, result, w, t) for m, result, w, t in corrected]
        n = max((r.n for r in results), default=0)
        if n < FEW:
            warnings.append(
                f"Only {n} subject(s) are paired with {other}: the signed-rank test's p cannot fall below"
                f" {2.0 ** (1 - n):.3g}; use {FEW} subjects or more."
                if n > 1
                else f"Only {n} subject(s) are paired with {other}: there is no test; use {FEW} or more."
            )
    if len({row.subject for row in rows}) == 1:
        warnings.append("There is one subject only, so no standard deviation, interval or test.")
    return Evaluation(
        request, names, measures, tuple(rows), summaries, tuple(compared), tuple(warnings), failed
    )


def _with_empty_regions(rows: list[Row]) -> list[Row]:
    """Rows of every region for every image; a label that a subject lacks has no figures, rather than none."""
    regions = dict.fromkeys((row.value, row.region) for row in rows)
    order = sorted(regions, key=lambda r: (r[0] is not None, r[0] or 0))
    by_place = {(row.subject, row.image, row.value): row for row in rows}
    pairs = dict.fromkeys((row.subject, row.image) for row in rows)
    return [
        by_place.get((subject, image, value), Row(subject, image, region, value, 0, {}))
        for value, region in order
        for subject, image in pairs
    ]


def _values(rows: Sequence[Row], image: str, value: int | None, measure: Measure) -> dict[str, float]:
    """A figure by subject, in a label's region or, with None, in the whole; only where it exists."""
    found = (
        (row.subject, row.figures.get(measure.key))
        for row in rows
        if (row.image, row.value) == (image, value)
    )
    return {subject: figure for subject, figure in found if figure is not None}


def _compare(rows: Sequence[Row], first: str, other: str, measure: Measure, seed: int) -> Comparison:
    here, there = (_values(rows, image, None, measure) for image in (first, other))
    both = [subject for subject in here if subject in there]
    return compare([here[s] for s in both], [there[s] for s in both], seed)


__all__ = ["FILES", "Compared", "EvaluateRequest", "Evaluation", "evaluate"]
