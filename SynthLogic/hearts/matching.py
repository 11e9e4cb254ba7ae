"""Which segment, or which value of a label map, is which structure of the heart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from SynthLogic.errors import InputError
from SynthLogic.hearts.labels import STRUCTURES, HeartLabel
from SynthLogic.hearts.names import LV, MYO, RV, by_name
from SynthLogic.volume import Volume

CONVENTIONS: dict[str, dict[int, HeartLabel]] = {
    "mms": {1: LV, 2: MYO, 3: RV},
    "acdc": {1: RV, 2: MYO, 3: LV},
}
"""What values mean in common data sets: M&Ms (ours as well), and ACDC."""

# SNOMED CT and, from older files, SNOMED RT codes, as in Slicer's lists and TotalSegmentator's.
_LEFT_VENTRICLE = {"87878005", "T-32600"}
_RIGHT_VENTRICLE = {"53085002", "T-32500"}
_VENTRICLE = {"21814001"}
_MYOCARDIUM = {"74281007"}
_SEPTUM = {"589001"}
_MUSCLE = {"71616004"}
_LEFT, _RIGHT = {"7771000", "G-A101"}, {"24028007", "G-A100"}
# Codes that say no more than that it is some part of a body.
_VAGUE = {"", "85756007", "113343008", "80891009", "123037004", "113257007", "T-D0050", "T-32000"}
_ENCLOSED = 0.6


@dataclass(frozen=True)
class NamedSegment:
    """A segment as far as matching needs it.

    Attributes:
        value: its value in the label map.
        name: as shown.
        codes: code values of the terminology's type, type modifier, anatomy and anatomy modifier, "" where
            one is not said; trailing ones may be left out. None without terminology.
    """

    value: int
    name: str
    codes: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Matching:
    """What was found.

    Attributes:
        segments: in the order given.
        labels: for each segment's value its label, or None.
        reasons: for each segment's value "terminology", "name", "value", "correction", or "" without a label.
        merged: values that are parts of a structure, such as papillary muscles.
        found: what was given, for messages.
    """

    segments: tuple[NamedSegment, ...]
    labels: dict[int, HeartLabel | None]
    reasons: dict[int, str]
    merged: frozenset[int] = field(default_factory=frozenset)

    @property
    def structures(self) -> tuple[HeartLabel, ...]:
        """The labels that some segment has, in their order."""
        return tuple(sorted({label for label in self.labels.values() if label}))

    def problem(self, required: Iterable[HeartLabel] = (LV,)) -> str | None:
        """One sentence on what keeps this from being used, or None.

        Args:
            required: the labels without which it cannot be used.
        """
        if not self.segments:
            return f"There are no segments; draw them first: {_listed(STRUCTURES)}."
        for label in STRUCTURES:
            same = [s for s in self.segments if self.labels[s.value] == label and s.value not in self.merged]
            same = [s for s in same if self.reasons[s.value] != "correction"] if len(same) > 1 else []
            if len(same) > 1:
                return (
                    f"{_joined([_quoted(s) for s in same])} would both be the {STRUCTURES[label].name}; "
                    "choose which one it is."
                )
        missing = [label for label in required if label not in self.structures]
        if missing:
            return (
                f"No segment is the {_joined([STRUCTURES[label].name for label in missing])}: found "
                f"{_joined([_quoted(s) for s in self.segments])}, expected {_listed(STRUCTURES)}; "
                "choose what each one is."
            )
        return None

    def check(self, required: Iterable[HeartLabel] = (LV,)) -> Matching:
        """Return itself.

        Raises:
            InputError: with the text of ``problem``.
        """
        problem = self.problem(required)
        if problem:
            raise InputError(problem)
        return self

    def apply(self, array: NDArray[Any]) -> NDArray[np.uint8]:
        """Return labels for an array of the segments' values, any shape; all other values become 0."""
        result = np.zeros(array.shape, np.uint8)
        for value, label in self.labels.items():
            if label:
                result[array == value] = label
        return result


def match(
    segments: Sequence[NamedSegment], corrections: Mapping[int, HeartLabel | None] | None = None
) -> Matching:
    """Find each segment's label by its terminology, else by its name.

    Slicer's terminology has ventricles but no cavities: of a segment coded as a left ventricle the name may
    say that it is the wall. Two segments found for one label are a problem; one corrected to it is merged
    with what was found.

    Args:
        segments: with values that differ.
        corrections: by value, overrides whatever was found; None leaves the segment out.

    Raises:
        InputError: a correction of a segment that does not exist.
    """
    labels: dict[int, HeartLabel | None] = {}
    reasons: dict[int, str] = {}
    merged = set()
    for segment in segments:
        label, part, reason = _found(segment)
        labels[segment.value], reasons[segment.value] = label, reason
        if part:
            merged.add(segment.value)
    for value, wanted in (corrections or {}).items():
        if value not in labels:
            raise InputError(
                f"There is no segment with the value {value}; there are "
                f"{_joined([_quoted(s) for s in segments]) or 'none'}."
            )
        labels[value], reasons[value] = wanted, "correction" if wanted else ""
        merged.discard(value)
    return Matching(tuple(segments), labels, reasons, frozenset(merged))


def match_values(values: Iterable[int], convention: str = "mms") -> Matching:
    """Find the label of each value of a bare label map.

    Args:
        values: that occur; 0 is background.
        convention: "mms" (1 LV, 2 myocardium, 3 RV), "acdc" (1 RV, 2 myocardium, 3 LV), or what the values
            are: "1=lv,2=myo,3=rv". Values set to 0 ("4=0") are left out.

    Raises:
        InputError: an unknown convention, or values it does not tell; both are listed.
    """
    known: Mapping[int, HeartLabel | None] = CONVENTIONS.get(convention.strip().lower()) or parse_values(
        convention
    )
    given = sorted({int(value) for value in values} - {0})
    unknown = [str(value) for value in given if value not in known]
    if unknown:
        meant = ", ".join(
            f"{value} {STRUCTURES[label].name if label else 'nothing'}" for value, label in known.items()
        )
        raise InputError(
            f"The label map holds the value{'s' if len(unknown) > 1 else ''} {', '.join(unknown)}, and "
            f"expected are only {meant}; say what each value is, for example 1=lv,2=myo,3=rv,{unknown[0]}=0."
        )
    segments = tuple(NamedSegment(value, f"value {value}") for value in given)
    return Matching(segments, {v: known[v] for v in given}, {v: "value" if known[v] else "" for v in given})


def parse_values(text: str) -> dict[int, HeartLabel | None]:
    """Read "1=lv,2=myo,3=rv"; several values may mean one label, 0 or "none" means to leave out.

    Raises:
        InputError: not of that form.
    """
    result: dict[int, HeartLabel | None] = {}
    for part in text.replace(";", ",").split(","):
        value, equals, name = (piece.strip() for piece in part.partition("="))
        label = by_name(name)[0]
        nothing = name.lower() in ("0", "none", "background", "bg")
        if not equals or not value.isdecimal() or not (label or nothing) or int(value) in result:
            raise InputError(
                f"Cannot read {text.strip()!r}; give {' or '.join(CONVENTIONS)}, or each value once, "
                "for example 1=lv,2=myo,3=rv,4=0."
            )
        result[int(value)] = label
    return result


def nesting_problem(labels: Volume) -> str | None:
    """One sentence if the LV cavity does not lie inside the myocardium as it should, or None.

    Args:
        labels: values of ``HeartLabel``. Without both structures nothing can be said.
    """
    array = labels.array
    if not (array == LV).any() or not (array == MYO).any():
        return None
    enclosed = _enclosed(labels, LV)
    if enclosed >= _ENCLOSED:
        return None
    swapped = _enclosed(labels, RV) if (array == RV).any() else 0.0
    if swapped >= _ENCLOSED:
        return (
            f"What is taken for the RV cavity lies in the myocardium ({swapped:.0%} of its surface), what "
            f"is taken for the LV cavity does not ({enclosed:.0%}): the two seem exchanged, as in ACDC's "
            "values (1 RV, 2 myocardium, 3 LV); choose that, or correct the table."
        )
    return f"Only {enclosed:.0%} of the LV cavity's surface touches myocardium; check which segment is which."


def _found(segment: NamedSegment) -> tuple[HeartLabel | None, bool, str]:
    """Label, whether it is a part merged into it, and how it was found."""
    named, part = by_name(segment.name)
    known, coded, coded_part = _by_codes(segment.codes or ())
    if known and coded == LV and named == MYO:
        return MYO, part, "name"
    if known:
        return coded, coded_part, "terminology" if coded else ""
    return named, part, "name" if named else ""


def _by_codes(codes: tuple[str, ...]) -> tuple[bool, HeartLabel | None, bool]:
    """Whether the codes say what it is, the label, and whether it is a part merged into it."""
    kind, modifier, anatomy, anatomy_modifier = (*codes, "", "", "", "")[:4]
    region, place = _region(kind, modifier), _region(anatomy, anatomy_modifier)
    if kind in _MYOCARDIUM | _MUSCLE and (place or kind in _MYOCARDIUM):
        return True, (None if place == RV else MYO), False
    if kind in _SEPTUM:
        return True, MYO, True
    if region:
        return True, region, False
    if kind in _VAGUE and anatomy in _MYOCARDIUM:
        return True, MYO, False
    if kind in _VAGUE and place:
        return True, place, False
    return False, None, False


def _region(code: str, modifier: str) -> HeartLabel | None:
    left = code in _LEFT_VENTRICLE or (code in _VENTRICLE and modifier in _LEFT)
    right = code in _RIGHT_VENTRICLE or (code in _VENTRICLE and modifier in _RIGHT)
    return LV if left else RV if right else None


def _enclosed(labels: Volume, cavity: HeartLabel) -> float:
    """Share of a cavity's surface, within the slices or voxels as they are, that touches myocardium."""
    padded = np.pad(labels.array, 1)
    inside, wall = padded == cavity, padded == MYO
    spacing = np.asarray(labels.spacing[::-1])
    touching = whole = 0.0
    for axis in range(3):
        area = float(np.prod(spacing) / spacing[axis])
        for sign in (1, -1):
            neighbour_inside = np.roll(inside, sign, axis)
            whole += area * int((inside & ~neighbour_inside).sum())
            touching += area * int((inside & np.roll(wall, sign, axis)).sum())
    return touching / whole


def _quoted(segment: NamedSegment) -> str:
    return f"'{segment.name}'" if segment.name else f"value {segment.value}"


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else "" if not names else f"{', '.join(names[:-1])} and {names[-1]}"


def _listed(structures: Mapping[HeartLabel, Any]) -> str:
    return _joined([structure.name for structure in structures.values()])
