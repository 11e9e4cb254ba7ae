"""Which files belong to which domain, and the promise that no subject is trained on and held out."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from SynthLogic.data.config import DataConfig, DomainConfig, SourceConfig
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
        ConfigError: a required folder is missing, a source or the domain is empty, a subject is on both the
            training and the held-out side.
    """
    files: list[SourceFile] = []
    missing: list[str] = []
    for index, source in enumerate(domain.sources):
        found = _of_source(config, source, index)
        if not found and source.required:
            root = config.roots[source.root]
            where = (
                f"no {source.glob} below {root}" if root else f"no folder is given for root {source.root!r}"
            )
            raise ConfigError(
                f"Source {source.name!r} of the {domain.modality} domain is empty ({where}); "
                "correct roots, glob or subjects."
            )
        if not found:
            missing.append(f"Source {source.name!r} ({domain.modality}) is not here; trained without it.")
        files += found
    if not files:
        raise ConfigError(f"The {domain.modality} domain has no images; correct its sources.")
    _refuse_held_out(config, domain, files)
    return files, missing


def _of_source(config: DataConfig, source: SourceConfig, index: int) -> list[SourceFile]:
    root = config.roots[source.root]
    if root is None or not Path(root).is_dir():
        return []
    files = []
    for path in sorted(Path(root).glob(source.glob)):
        if not _selected(path, source):
            continue
        labels = path.with_name(source.labels) if source.labels and config.label_groups else None
        if labels is not None and not labels.is_file():
            raise ConfigError(f"Label map {labels} is missing; make the cohort again or set labels to null.")
        reference = path.with_name(source.reference) if source.reference else None
        if reference is not None and not reference.is_file():
            raise ConfigError(
                f"Reference {reference} is missing; make the cohort again or set reference to null."
            )
        files.append(
            SourceFile(path, reference, labels, index, _subject(path, source), str(path.parent.resolve()))
        )
    return files


def _selected(path: Path, source: SourceConfig) -> bool:
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


def _subject(path: Path, source: SourceConfig) -> str:
    match = re.search(source.subject, path.as_posix()) if source.subject else None
    match = match or _NUMBERED.search(path.as_posix())
    return match[0] if match else path.name.split(".")[0]


def _refuse_held_out(config: DataConfig, domain: DomainConfig, files: list[SourceFile]) -> None:
    held_out: set[str] = set()
    patterns = {s.subject for d in (config.a, config.b) for s in d.sources if s.subject}
    for entry in config.held_out:
        root_name, _, glob = entry.partition(":")
        root = config.roots[root_name]
        for path in sorted(Path(root).glob(glob)) if root else ():
            held_out |= _identities(path, patterns)
    for file in files:
        pattern = domain.sources[file.source].subject
        if held_out & _identities(file.path, {pattern} if pattern else set()):
            raise ConfigError(
                f"Subject {file.subject!r} ({file.path.name}) is both trained on and held out; "
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
