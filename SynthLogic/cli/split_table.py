"""The table of splits that ``export`` reads, and the names that it and files have in common."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from SynthLogic.errors import ConfigError, InputError

if TYPE_CHECKING:
    from SynthLogic.jobs import CohortStyle, Reference
    from SynthLogic.jobs.cohort_plan import Place
    from SynthLogic.jobs.heart_requests import Split

_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha")
_SPLITS: dict[str, Split] = {"train": "train", "val": "val", "test": "test"}


def subject_name(path: Path) -> str:
    """What a file's subject is called: its name without .nii.gz and the like."""
    ending = next((e for e in _ENDINGS if path.name.lower().endswith(e)), "")
    return path.name[: len(path.name) - len(ending)]


def read_splits(table: Path | None, test: Sequence[str], names: Sequence[str]) -> dict[str, Place]:
    """Split and patient of everybody in the table, whether exported or not.

    Args:
        table: CSV with the columns subject, split and, optionally, patient.
        test: subjects for test whatever the table says; with these alone, all others are for training.
        names: of the subjects to export.

    Raises:
        ConfigError: ``test`` names nobody, or one subject stands in the table twice, and not for the same.
        InputError: the table cannot be read.
    """
    unknown = next((name for name in test if name not in names), None)
    if unknown is not None:
        raise ConfigError(f"--test {unknown!r} is no subject; there are {', '.join(names[:8])}.")
    if table is None:
        return {name: ("test" if name in test else "train", None) for name in names} if test else {}
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is no CSV"
        raise InputError(f"{table.name} cannot be read ({reason}); give a table in CSV.") from error
    if not rows or not {"subject", "split"} <= set(rows[0]):
        raise InputError(f"{table.name} has no columns subject and split; its first line must name them.")
    found: dict[str, Place] = {}
    for row in rows:
        name, split = (row["subject"] or "").strip(), (row["split"] or "").strip().lower()
        if split not in _SPLITS:
            raise InputError(f"{table.name} puts {name!r} into {split!r}; it must be train, val or test.")
        place = (_SPLITS[split], (row.get("patient") or "").strip() or None)
        if found.setdefault(name, place) != place:
            raise ConfigError(
                f"{table.name} has {name!r} twice, with different splits or patients; leave one row."
            )
    return found | {name: ("test", found.get(name, (None, None))[1]) for name in test}


def lent(
    reference: Reference, image: Path, labels: Path, names: Collection[str], places: Mapping[str, Place]
) -> CohortStyle:
    """A reference scan, and whose it is: one of its files is called like a subject, a row or a patient."""
    from SynthLogic.jobs import CohortStyle

    known = {*names, *places, *(patient for _, patient in places.values())}
    stems = dict.fromkeys(map(subject_name, (labels, image)))
    return CohortStyle(reference, tuple(stem for stem in stems if stem in known), repr(subject_name(labels)))


__all__ = ["lent", "read_splits", "subject_name"]
