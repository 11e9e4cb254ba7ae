"""Keeps descendants of a test patient out of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from SynthLogic.cohorts.names import Names
from SynthLogic.cohorts.subject import Plan, Why
from SynthLogic.errors import ConfigError

SPLITS = ("train", "val", "test")
Split = Literal["train", "val", "test"]


class Guarded(NamedTuple):
    """Which split each subject of a plan is in, None where it is left out, and why those are."""

    splits: tuple[str | None, ...]
    left_out: tuple[Why, ...]


def guard(
    plan: Sequence[Plan],
    names: Names,
    splits: Mapping[str, str],
    patients: Mapping[str, str] | None = None,
    unknown_split: Split | None = None,
    contents: Mapping[str, str] | None = None,
) -> Guarded:
    """Put each subject where all its parents are, and leave out those whose parents are in different splits.

    A scan that lent its style is a parent as well: its texture must not be trained on and tested on either.

    Args:
        plan: the subjects.
        names: what they are called.
        splits: patient or parent -> "train", "val" or "test"; others than the plan's count as well, so that
            a patient is in one split with all hearts.
        patients: parent -> patient, where several hearts are one patient's.
        unknown_split: where parents are that ``splits`` does not know; None makes them an error.
        contents: parent -> hash of its label map; one label map under two names has one split.

    Raises:
        ConfigError: an unknown parent, a split of another name, or one patient or label map in two splits.
    """
    patients = patients or {}
    for who, split in splits.items():
        if split not in SPLITS:
            raise ConfigError(f"The split of '{who}' is '{split}'; give train, val or test.")
    where, unknown = _where(names.parents, splits, patients, unknown_split)
    if unknown:
        shown = ", ".join(unknown[:5]) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
        raise ConfigError(
            f"It is not said whether {shown} {'is' if len(unknown) == 1 else 'are'} for training or "
            "for test; give each parent's split, or say that unknown ones are for training."
        )
    _check_contents(contents or {}, where)
    placed: list[str | None] = []
    left_out = []
    for entry, name in zip(plan, names.subjects, strict=True):
        parents = list(dict.fromkeys((*entry.parents, *entry.style_parents)))
        found = {where[p] for p in parents}
        placed.append(found.pop() if len(found) == 1 else None)
        if placed[-1] is None:
            told = ", ".join(f"{names.parents[p]} is in {where[p]}" for p in parents)
            left_out.append(Why(name, f"Its parents are in different splits: {told}."))
    return Guarded(tuple(placed), tuple(left_out))


def _check_contents(contents: Mapping[str, str], where: Mapping[str, str]) -> None:
    first: dict[str, str] = {}
    for parent, content in contents.items():
        if parent not in where:
            continue
        other = first.setdefault(content, parent)
        if where[other] != where[parent]:
            raise ConfigError(
                f"'{other}' in {where[other]} and '{parent}' in {where[parent]} are the same label map; "
                "leave one out, or put both into one split."
            )


def _where(
    parents: Mapping[str, str],
    splits: Mapping[str, str],
    patients: Mapping[str, str],
    unknown_split: Split | None,
) -> tuple[dict[str, str], list[str]]:
    """The split of each parent, and the parents without one; all hearts of a patient are in one."""
    of_patient: dict[str, str] = {}
    for parent in [*parents, *splits]:
        patient = patients.get(parent, parent)
        for key in (patient, parent):
            if key not in splits:
                continue
            if of_patient.setdefault(patient, splits[key]) != splits[key]:
                raise ConfigError(
                    f"'{patient}' is in {of_patient[patient]} and in {splits[key]}; a patient has one split."
                )
    where: dict[str, str] = {}
    unknown = []
    for parent in parents:
        split = of_patient.get(patients.get(parent, parent), unknown_split)
        if split is None:
            unknown.append(parent)
        else:
            where[parent] = split
    return where, unknown
