"""Which subjects a CohortRequest asks for, known before anything is computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

from SynthLogic.cohorts import Plan
from SynthLogic.errors import ConfigError
from SynthLogic.jobs.heart_desk import Reference
from SynthLogic.jobs.heart_record import StyleId
from SynthLogic.jobs.heart_requests import CohortRequest, NamedStyle, ScanStyle, Split
from SynthLogic.volume import Scan

Place = tuple[Split | None, str | None]
"""Split and patient of somebody."""


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
    """A reference scan for a style of kind "scan".

    Attributes:
        reference: the scan and its labels.
        of: whose it is, for the guard: subjects, patients, or others whose split is known.
        name: what messages call it.
    """

    reference: Reference
    of: tuple[str, ...] = ()
    name: str = "The reference scan"


def pairs_of(request: CohortRequest, subjects: Sequence[CohortSubject]) -> list[tuple[int, int]]:
    """Places of the two subjects of every pair.

    Raises:
        ConfigError: two subjects of one name, a pair of nobody, or nothing to make.
    """
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


def alone(request: CohortRequest, subjects: Sequence[CohortSubject]) -> range:
    """Places of the subjects that are written themselves."""
    return range(len(subjects) if request.parents else 0)


def plan_of(
    request: CohortRequest,
    subjects: Sequence[CohortSubject],
    pairs: Sequence[tuple[int, int]],
    styles: Sequence[StyleId],
    lenders: Sequence[tuple[str, ...]],
) -> list[Plan]:
    """Every subject to make: parents first, then pair by pair, so that few hearts are needed at a time."""
    plan: list[Plan] = []
    named = _named(styles, lenders)
    for place in alone(request, subjects):
        for style, (name, lent_by, seed) in zip(styles, named, strict=True):
            plan.append(
                Plan(
                    (subjects[place].name,),
                    style=name,
                    style_parents=lent_by,
                    seed=seed,
                    slices=request.slices,
                    data=((place,), style),
                )
            )
    for pair in pairs:
        for number in range(1, request.steps + 1):
            for style, (name, lent_by, seed) in zip(styles, named, strict=True):
                plan.append(
                    Plan(
                        tuple(subjects[place].name for place in pair),
                        step=(number, request.steps),
                        position=number / (request.steps + 1),
                        style=name,
                        style_parents=lent_by,
                        seed=seed,
                        data=(pair, style),
                    )
                )
    return plan


def _named(
    styles: Sequence[StyleId], lenders: Sequence[tuple[str, ...]]
) -> list[tuple[str, tuple[str, ...], int | None]]:
    """What each style is called, whose scans lent it, and its seed."""
    result: list[tuple[str, tuple[str, ...], int | None]] = []
    scans = 0
    for style in styles:
        choice = style.choice
        if isinstance(choice, ScanStyle):
            scans += 1
            result.append((f"scan{scans}", lenders[scans - 1], None))
        elif isinstance(choice, NamedStyle):
            result.append((choice.name, (), choice.seed))
        else:
            result.append(("any", (), choice.seed))
    return result


__all__ = ["CohortStyle", "CohortSubject", "Place", "alone", "pairs_of", "plan_of"]
