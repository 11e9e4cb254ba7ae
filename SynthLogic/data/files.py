"""Which files belong to which domain, and the promise that no subject is trained on and held out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from SynthLogic.data.config import DataConfig, DomainConfig, FilesConfig, FileSource, SourceConfig
from SynthLogic.errors import ConfigError

_NUMBERED = re.compile(r"sub-(\d+)")


@dataclass(frozen=True)
class SourceFile:
    """One image of a source.

    Attributes:
        path: the image.
        reference: its clean twin, or None.
        labels: its label map, or None.
        source: index of the source within its domain.
        subject: what to call the subject.
        pair: images with the same value show the same subject on the same grid.
    """

    path: Path
    reference: Path | None
    labels: Path | None
    source: int
    subject: str
    pair: str


def list_files(config: DataConfig, domain: DomainConfig) -> tuple[list[SourceFile], list[str]]:
    """Find a domain's files.

    Returns:
        The files, sorted within each source, and one sentence for every optional source that is not here.

    Raises:
        ConfigError: see ``find_paths``; or a label map or reference is missing.
    """
    kind = domain.modality
    paths, missing = find_paths(config, domain.sources, f"{kind} domain", f" ({kind})")
    files = [_source_file(path, domain.sources[index], index, config) for index, path in paths]
    return files, missing


def find_paths(
    config: FilesConfig, sources: Sequence[FileSource], group: str, remark: str = ""
) -> tuple[list[tuple[int, Path]], list[str]]:
    """Find the files of several sources.

    Args:
        config: roots and what is held out.
        sources: some of the configuration's sources.
        group: what they are together, for messages.
        remark: put behind a source's name in the sentence about its absence.

    Returns:
        (Index of the source, file), sorted within each source; one sentence for every optional source that is
        not here.

    Raises:
        ConfigError: a required folder is missing, a source or all are empty, a subject is on both the
            training and the held-out side.
    """
    paths: list[tuple[int, Path]] = []
    missing: list[str] = []
    for index, source in enumerate(sources):
        root = config.roots[source.root]
        found = sorted(Path(root).glob(source.glob)) if root is not None and Path(root).is_dir() else []
        found = [path for path in found if _selected(path, source)]
        if not found and source.required:
            where = (
                f"no {source.glob} below {root}" if root else f"no folder is given for root {source.root!r}"
            )
            raise ConfigError(
                f"Source {source.name!r} of the {group} is empty ({where}); correct roots, glob or subjects."
            )
        if not found:
            missing.append(f"Source {source.name!r}{remark} is not here; trained without it.")
        paths += [(index, path) for path in found]
    if not paths:
        raise ConfigError(f"The {group} has no images; correct its sources.")
    _refuse_held_out(config, sources, paths)
    return paths, missing


def _source_file(path: Path, source: SourceConfig, index: int, config: DataConfig) -> SourceFile:
    labels = path.with_name(source.labels) if source.labels and config.label_groups else None
    if labels is not None and not labels.is_file():
        raise ConfigError(f"Label map {labels} is missing; make the cohort again or set labels to null.")
    reference = path.with_name(source.reference) if source.reference else None
    if reference is not None and not reference.is_file():
        raise ConfigError(
            f"Reference {reference} is missing; make the cohort again or set reference to null."
        )
    return SourceFile(path, reference, labels, index, subject_of(path, source), str(path.parent.resolve()))


def _selected(path: Path, source: FileSource) -> bool:
    if source.subjects == "all":
        return True
    match = _NUMBERED.search(path.as_posix())
    if match is None:
        raise ConfigError(
            f"Source {source.name!r} selects subjects {source.subjects!r}, but {path.name} lies in no folder "
            "named sub-NUMBER; set subjects to 'all'."
        )
    number = int(match[1])
    if source.subjects in ("even", "odd"):
        return number % 2 == (source.subjects == "odd")
    first, last = (int(n) for n in source.subjects.split("-"))
    return first <= number <= last


def subject_of(path: Path, source: FileSource) -> str:
    """What to call the subject that a file shows."""
    match = re.search(source.subject, path.as_posix()) if source.subject else None
    match = match or _NUMBERED.search(path.as_posix())
    return match[0] if match else path.name.split(".")[0]


def _refuse_held_out(
    config: FilesConfig, sources: Sequence[FileSource], paths: list[tuple[int, Path]]
) -> None:
    held_out: set[str] = set()
    patterns = {s.subject for s in config.all_sources() if s.subject}
    for entry in config.held_out:
        root_name, _, glob = entry.partition(":")
        root = config.roots[root_name]
        for path in sorted(Path(root).glob(glob)) if root else ():
            held_out |= _identities(path, patterns)
    for index, path in paths:
        source = sources[index]
        if held_out & _identities(path, {source.subject} if source.subject else set()):
            raise ConfigError(
                f"Subject {subject_of(path, source)!r} ({path.name}) is both trained on and held out; "
                "remove it from one side."
            )


def _identities(path: Path, patterns: set[str]) -> set[str]:
    """What tells that two files show one subject: place, named subject, the simulator's own account."""
    account = path.parent / "subject.json"
    if account.is_file():
        found = {f"folder {path.parent.resolve()}", hashlib.sha256(account.read_bytes()).hexdigest()}
    else:
        found = {f"file {path.resolve()}"}
    matches = (re.search(pattern, path.as_posix()) for pattern in patterns)
    return found | {f"name {match[0]}" for match in matches if match}
