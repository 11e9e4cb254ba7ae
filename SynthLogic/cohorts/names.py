"""Names that show parents and position, and keep the parents' own names to themselves."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from SynthLogic.cohorts.scrub import Redactor
from SynthLogic.cohorts.subject import Plan
from SynthLogic.errors import ConfigError

_MAX_CHARACTERS = 100
# A file called so names nobody, and records are full of these words.
_NOBODY = {"heart", "image", "label", "labels", "mask", "mr", "scan", "seg", "segmentation", "subject"}


@dataclass(frozen=True)
class Names:
    """How a cohort's parents and subjects are called in files.

    Attributes:
        parents: parent's id -> what files call it; those that lent a style included.
        subjects: one name a plan, in the plan's order; letters, digits, _ and -.
        styles: one a plan, as written.
    """

    parents: dict[str, str]
    subjects: tuple[str, ...]
    styles: tuple[str, ...]


def name_all(
    plan: Sequence[Plan], patients: Mapping[str, str] | None = None, keep_parent_names: bool = False
) -> Names:
    """Name every subject of a plan, such as ``P001xP002_t03of08_styleA_s2``.

    Args:
        plan: in the order of writing; pseudonyms P001, P002 .. follow the order in which patients come, those
            that only lent a style last.
        patients: parent's id -> patient, where several hearts are one patient's; they become P001a, P001b.
        keep_parent_names: call parents by their ids, as far as file names allow.

    Raises:
        ConfigError: two subjects, or two parents, would have one name; a name would be empty or too long.
    """
    hearts = [parent for entry in plan for parent in entry.parents]
    ids = list(dict.fromkeys([*hearts, *(lender for entry in plan for lender in entry.style_parents)]))
    parents = _kept(ids) if keep_parent_names else _pseudonyms(ids, patients or {})
    redactor = None if keep_parent_names else redactor_of(parents, patients)
    # What is nobody's is called as the bundle calls it, whoever shares that name.
    styles = tuple(redactor.text(e.style) if redactor and e.style_parents else e.style for e in plan)
    subjects = tuple(_name(e, s, parents) for e, s in zip(plan, styles, strict=True))
    # Case does not tell files apart everywhere, and BIDS drops what separates the parts.
    _check_unique([bids_label(n).casefold() for n in subjects], subjects)
    return Names(parents, subjects, styles)


def redactor_of(
    parents: Mapping[str, str], patients: Mapping[str, str] | None, own: Iterable[str] = ()
) -> Redactor:
    """What replaces ids of parents, their file names and their patients by pseudonyms.

    Args:
        parents: id -> pseudonym.
        patients: id -> patient.
        own: texts that stay as they are, such as the names of a bundle's styles.
    """
    secrets: dict[str, str] = {}
    for parent, pseudonym in parents.items():
        patient = (patients or {}).get(parent, parent)
        for secret in (patient, *_spellings(parent)):
            secrets.setdefault(secret, pseudonym.rstrip("abcdefghijklmnopqrstuvwxyz"))
        secrets[parent] = pseudonym
    return Redactor({s: name for s, name in secrets.items() if s.casefold() not in _NOBODY}, own)


def bids_label(name: str) -> str:
    """``name`` with nothing but letters and digits, as BIDS wants labels."""
    return re.sub(r"[^A-Za-z0-9]", "", name)


def _spellings(parent: str) -> Iterable[str]:
    name = PurePath(parent.replace("\\", "/")).name
    yield name
    yield re.sub(r"(\.seg)?\.(nii\.gz|nii|nrrd|mha|mhd|dcm)$", "", name, flags=re.IGNORECASE)


def _pseudonyms(ids: Sequence[str], patients: Mapping[str, str]) -> dict[str, str]:
    groups: dict[str, list[str]] = {}
    for parent in ids:
        groups.setdefault(patients.get(parent, parent), []).append(parent)
    names = {}
    for number, group in enumerate(groups.values(), 1):
        for place, parent in enumerate(group):
            names[parent] = f"P{number:03d}" + (_letters(place) if len(group) > 1 else "")
    return {parent: names[parent] for parent in ids}


def _letters(number: int) -> str:
    """a, b .. z, aa, ab .."""
    text = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(ord("a") + rest) + text
    return text


def _kept(ids: Sequence[str]) -> dict[str, str]:
    names = {parent: _safe(parent) for parent in ids}
    for parent, name in names.items():
        if not bids_label(name):
            raise ConfigError(f"The parent '{parent}' has no letter or digit to name files by; rename it.")
    _check_unique([bids_label(n).casefold() for n in names.values()], list(names))
    return names


def _safe(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-")


def _name(entry: Plan, style: str, parents: Mapping[str, str]) -> str:
    if not entry.parents:
        raise ConfigError("A subject of the cohort has no parent; name the heart it comes from.")
    parts = ["x".join(parents[p] for p in entry.parents)]
    if entry.step is not None:
        number, count = entry.step
        parts.append(f"t{number:02d}of{count:02d}")
    if entry.slices is not None:
        parts.append(f"z{entry.slices:02d}")
    parts.append(_safe(style))
    if entry.seed is not None:
        parts.append(f"s{entry.seed}")
    if entry.take is not None:
        parts.append(f"n{entry.take}")
    name = "_".join(p for p in parts if p)
    if len(name) > _MAX_CHARACTERS:
        raise ConfigError(f"The name {name[:40]}.. would be too long for a file; give shorter names.")
    return name


def _check_unique(keys: Sequence[str], shown: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for key, name in zip(keys, shown, strict=True):
        if key in seen:
            both = f"'{seen[key]}' twice" if seen[key] == name else f"both '{seen[key]}' and '{name}'"
            raise ConfigError(
                f"The cohort would name {both}, which files cannot tell apart; "
                "give them different names, steps, styles or seeds."
            )
        seen[key] = name
