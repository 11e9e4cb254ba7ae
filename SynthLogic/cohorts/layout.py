"""What every layout of a cohort's folder answers, and the files that all of them have."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from SynthLogic import __version__
from SynthLogic.cohorts.subject import MARK, CohortInfo, Row

MANIFEST = "cohort-manifest.jsonl"


class Files(NamedTuple):
    """Where one subject's files lie, relative to the cohort's folder, with / between the parts."""

    image: str
    labels: str
    record: str
    picture: str


class Layout(Protocol):
    """One way to lay a cohort out in a folder."""

    name: str
    folders: tuple[str, ...]
    """Folders that are there even when nothing is in them."""

    def root(self, folder: Path, info: CohortInfo) -> Path:
        """The cohort's own folder, given the one that the user chose.

        Raises:
            ConfigError: ``info`` cannot be laid out so.
            OutputError: another data set is in the way.
        """

    def files(self, name: str, split: str) -> Files:
        """Where the files of subject ``name`` go."""

    def record(self, record: dict[str, Any], info: CohortInfo) -> dict[str, Any]:
        """The JSON beside the image, made of the subject's record."""

    def tables(self, rows: Sequence[Row], info: CohortInfo) -> dict[str, bytes]:
        """Files about the whole cohort: relative path -> bytes; ``rows`` are in the plan's order."""


def as_json(content: Any) -> bytes:
    """Readable JSON, the same bytes for the same content."""
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def as_table(rows: Sequence[Sequence[Any]], separator: str, empty: str) -> bytes:
    """Lines of cells; ``empty`` stands for None and ''. Cells are quoted only where a comma separates."""

    def cell(value: Any) -> str:
        text = empty if value is None or value == "" else str(value)
        if separator == "\t":
            return " ".join(text.split())
        return f'"{text.replace(chr(34), chr(34) * 2)}"' if any(c in text for c in ',"\r\n') else text

    return "".join(separator.join(map(cell, row)) + "\n" for row in rows).encode()


def generated_by() -> dict[str, str]:
    """What made this, in BIDS' words."""
    return {"Name": "CrossModalSynth", "Version": __version__, "Description": MARK}


def common_cells(row: Row) -> dict[str, Any]:
    """What every table says of a subject, but its files and volumes."""
    return {
        "parents": " ".join(row.parents),
        "position": row.position,
        "step": row.step[0] if row.step else None,
        "steps": row.step[1] if row.step else None,
        "style": row.style,
        "seed": row.seed,
        "slices": row.slices,
        "split": row.split,
    }


COLUMNS: Mapping[str, str] = {
    "parents": "Hearts that this subject descends from; pseudonyms, unless their names were asked for.",
    "position": "Place between the parents: 0 is the first, 1 the last.",
    "step": "Number of the step between the parents.",
    "steps": "How many steps there are.",
    "style": "Style that the image was painted in.",
    "seed": "Seed of the painter.",
    "slices": "Slices of the stack.",
    "split": "train, val or test; the split of all its parents.",
}
"""What the columns of ``common_cells`` mean."""

VOLUME = "from the middle of the first labelled slice to that of the last (trapezoid rule)"
"""How columns ending in _ml are measured."""


def readme(rows: Sequence[Row], info: CohortInfo, layout: str) -> bytes:
    """README.md of a cohort, for whoever gets the folder without us."""
    counts = Counter(row.split for row in rows)
    labels = ", ".join(f"{value} {name}" for name, value in info.labels.items())
    lines = [
        f"# {info.title}",
        "",
        f"**{MARK}** Images are painted by a network; label maps are made from those of the parents.",
        "",
        info.description,
        "",
        f"- Layout: {layout}",
        f"- Subjects: {len(rows)} ({', '.join(f'{counts[s]} {s}' for s in ('train', 'val', 'test'))})",
        f"- Labels: {labels}",
        f"- Licence: {info.licence or 'not given; ask whoever made this folder'}",
        *([f"- Authors: {', '.join(info.authors)}"] if info.authors else []),
        f"- Reference: {info.reference}",
        f"- Made by: CrossModalSynth {__version__}",
        "",
        "A subject is called by its parents, its step between them, its style and its seed, and by a number",
        "where these are the same. Subjects whose parents are in different splits were left out, so nothing",
        "in training descends from a test patient.",
        "Parents are P001, P002 .. in the order in which they were given, unless their names were asked for;",
        "stacks then lie round the origin, not where the parent lay in the scanner.",
        f"Volumes are measured {VOLUME}.",
        f"{MANIFEST} lists each complete subject with a hash of each file; an export that was interrupted",
        "goes on from there.",
    ]
    return ("\n".join(lines) + "\n").encode()


def rows_of(rows: Sequence[Row], split: str) -> list[Row]:
    """Those of ``rows`` in ``split``."""
    return [row for row in rows if row.split == split]
