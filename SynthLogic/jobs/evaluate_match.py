"""Which volume of one folder belongs to which of another."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from SynthLogic.errors import InputError
from SynthLogic.volume.folder import volumes_below
from SynthLogic.volume.read import extension

_WILD = re.compile(r"[*?\[]")
_SUBJECT = re.compile(r"(?<![A-Za-z0-9])sub-[A-Za-z0-9]+")
_LISTED = 6


@dataclass(frozen=True)
class Entry:
    """One volume.

    Attributes:
        name: path below what the user named, without the ending, with "/"; a single file's own name.
        path: file, or folder of one DICOM series.
    """

    name: str
    path: Path


@dataclass(frozen=True)
class Matched:
    """Pairs of entries with the subject's name, and what is left on either side."""

    pairs: tuple[tuple[str, Entry, Entry], ...]
    only_first: tuple[Entry, ...]
    only_second: tuple[Entry, ...]


def volumes_in(place: Path, what: str) -> tuple[Entry, ...]:
    """The volumes of a file, a DICOM folder, a folder of either, or a pattern such as ``cohort/*/ct.nii.gz``.

    Hidden files and folders are passed over; files of other kinds are no volumes. A folder without volumes of
    its own that holds DICOM files is one volume.

    Args:
        place: as the user gave it.
        what: what it is called in messages, such as "TRUTH".

    Raises:
        InputError: it does not exist or holds no volume.
    """
    if not place.exists() and _WILD.search(str(place)):
        return _of_pattern(place, what)
    if not place.exists():
        raise InputError(f"{what} {place.name} does not exist; check the path.")
    if place.is_file():
        return (Entry(_without_ending(PurePosixPath(place.name)), place),)
    found = _of_path(place, place)
    if not found:
        raise InputError(
            f"{what} {place.name} holds no volume; give .nii, .nii.gz, .nrrd or .mha files, or DICOM folders."
        )
    return tuple(found)


def match(first: Sequence[Entry], second: Sequence[Entry], what: tuple[str, str]) -> Matched:
    """Pair volumes by the same relative path, else file name, else ``sub-XXXX``, else subject's folder.

    Two single volumes belong together whatever they are called. A subject's folder on one side may be a file
    of that name on the other.

    Args:
        first: volumes of one side.
        second: of the other.
        what: what the sides are called in messages.

    Raises:
        InputError: no pair at all, or several volumes could be the other one of a pair.
    """
    if len(first) == len(second) == 1:
        return Matched(((first[0].name, first[0], second[0]),), (), ())
    pairs: dict[Entry, tuple[str, Entry]] = {}
    doubtful: dict[Entry, tuple[str, list[Entry], list[Entry]]] = {}
    for key_of in _RULES:
        here = _grouped([e for e in first if e not in pairs], key_of)
        taken = {entry for _, entry in pairs.values()}
        there = _grouped([e for e in second if e not in taken], key_of)
        for key in sorted(here.keys() & there.keys()):
            if len(here[key]) == len(there[key]) == 1:
                a, b = here[key][0], there[key][0]
                if len({_subject(e) for e in (a, b)} - {None}) < 2:
                    pairs[a] = (key, b)
            elif key_of is not _stem:
                doubtful |= dict.fromkeys(here[key], (key, here[key], there[key]))
    for entry, (key, here_, there_) in doubtful.items():
        if entry not in pairs:
            side, several = (what[1], there_) if len(there_) > 1 else (what[0], here_)
            raise InputError(
                f"Several volumes of {side} belong to {key!r}: {_listed(several)}; name one of each subject"
                " with a pattern in quotes, such as 'cohort/*/ct.nii.gz'."
            )
    taken = {entry for _, entry in pairs.values()}
    only = tuple(e for e in first if e not in pairs), tuple(e for e in second if e not in taken)
    if not pairs:
        raise InputError(
            f"No volume of {what[0]} ({_listed(only[0])}) belongs to one of {what[1]} ({_listed(only[1])});"
            " give both the same relative path, file name or sub-XXXX."
        )
    return Matched(tuple((pairs[e][0], e, pairs[e][1]) for e in first if e in pairs), *only)


def _of_pattern(place: Path, what: str) -> tuple[Entry, ...]:
    wild = next(n for n, part in enumerate(place.parts) if _WILD.search(part))
    root = Path(*place.parts[:wild]) if wild else Path()
    paths = sorted(root.glob("/".join(place.parts[wild:]))) if root.is_dir() else []
    found = [entry for path in paths for entry in _of_path(path, root)]
    if not found:
        raise InputError(f"{what}: no volume is called {'/'.join(place.parts[wild:])}; check the pattern.")
    return tuple(found)


def _of_path(path: Path, root: Path) -> list[Entry]:
    if path.is_dir():
        return [_entry(volume, root) for volume in volumes_below(path)]
    return [_entry(path, root)] if extension(path) else []


def _entry(path: Path, root: Path) -> Entry:
    relative = PurePosixPath(path.name if path == root else path.relative_to(root).as_posix())
    return Entry(relative.as_posix() if path.is_dir() else _without_ending(relative), path)


def _without_ending(relative: PurePosixPath) -> str:
    ending = extension(Path(relative.name))
    return relative.as_posix()[: -len(ending)] if ending else relative.as_posix()


def _grouped(entries: Sequence[Entry], key_of: Callable[[Entry], str | None]) -> dict[str, list[Entry]]:
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        key = key_of(entry)
        if key is not None:
            groups[key].append(entry)
    return groups


def _whole(entry: Entry) -> str | None:
    return entry.name


def _stem(entry: Entry) -> str | None:
    return entry.name.rpartition("/")[2]


def _subject(entry: Entry) -> str | None:
    found = _SUBJECT.search(entry.name)
    return found[0] if found else None


def _folder(entry: Entry) -> str | None:
    return entry.name.partition("/")[0]


_RULES = (_whole, _stem, _subject, _folder)


def _listed(entries: Sequence[Entry]) -> str:
    names = [entry.name for entry in entries]
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


__all__ = ["Entry", "Matched", "match", "volumes_in"]
