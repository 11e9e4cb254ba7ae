"""Which files are trained on: found by folder, pattern or table, and divided by subject, never by slice."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from SynthLogic.data.config import FilesConfig, FileSource
from SynthLogic.errors import ConfigError
from SynthLogic.volume.folder import holds_dicom, volumes_below
from SynthLogic.volume.read import extension

_NUMBERED = re.compile(r"sub-(\d+)")
_COLUMNS = ("image", "labels", "reference", "subject")


@dataclass(frozen=True)
class Found:
    """One file of a source.

    Attributes:
        source: index of the source.
        path: the file, or the folder of DICOM slices.
        subject: what to call the subject.
        labels: its label map, where a table names one.
        reference: its clean twin, likewise.
        named: whether a table or a pattern says whom it shows.
        known: likewise, or ``sub-NUMBER`` in the path; else ``subject`` is the file's own name.
    """

    source: int
    path: Path
    subject: str
    labels: Path | None = None
    reference: Path | None = None
    named: bool = False
    known: bool = True

    @property
    def person(self) -> str:
        """Equal for names that differ in their case alone."""
        return self.subject.casefold()


def find_files(
    config: FilesConfig,
    sources: Sequence[FileSource],
    group: str,
    remark: str = "",
    *,
    held_out: bool = False,
) -> tuple[list[Found], list[str]]:
    """Find the files of several sources.

    Args:
        config: roots and what is held out.
        sources: some of the configuration's sources.
        group: what they are together, for messages.
        remark: put behind a source's name in the sentence about its absence.
        held_out: those that ``split`` keeps out, instead of those that are trained on.

    Returns:
        The files, sorted within each source; one sentence for every optional source that is not here.

    Raises:
        ConfigError: a required folder is missing, a source or all are empty, a table is wrong, a subject is
            on both the training and the held-out side.
    """
    files: list[Found] = []
    missing: list[str] = []
    for index, source in enumerate(sources):
        root = config.roots[source.root]
        found = _of_source(index, source, root)
        if not found and source.required:
            what = source.glob or ("row in " + source.table if source.table else "volume")
            where = f"no {what} below {root}" if root else f"no folder is given for root {source.root!r}"
            if root and not Path(root).is_dir():
                where = f"there is no folder {root}"
            raise ConfigError(
                f"Source {source.name!r} of the {group} is empty ({where}); correct roots, glob or subjects."
            )
        if not found:
            missing.append(f"Source {source.name!r}{remark} is not here; trained without it.")
        files += found
    _refuse_two_people(files)
    if config.split is not None:
        apart = _kept_out(config)
        files = [file for file in files if (file.person in apart) == held_out]
        if not files and not held_out:
            raise ConfigError(f"The split leaves the {group} without a subject; lower data.split.held_out.")
    elif held_out:
        files = []
    if not files and not held_out:
        raise ConfigError(f"The {group} has no images; correct its sources.")
    _refuse_held_out(config, sources, files)
    return files, missing


def beside(path: Path, template: str) -> Path:
    """The file that a template names, from a file's folder; ``{stem}`` stands for the file's own stem."""
    stem = path.name[: len(path.name) - len(extension(path) or "")]
    return path.parent / template.replace("{stem}", stem)


def subject_of(path: Path, source: FileSource) -> str:
    """What to call the subject that a file shows.

    Raises:
        ConfigError: the source says how subjects are named, and this path has no such name.
    """
    if source.subject:
        match = re.search(source.subject, path.as_posix())
        if match is None:
            raise ConfigError(
                f"{path} does not match 'subject' of source {source.name!r} ({source.subject}); correct it."
            )
        return match[0]
    numbered = _NUMBERED.search(path.as_posix())
    return numbered[0] if numbered else path.name.split(".")[0]


def _of_source(index: int, source: FileSource, root: str | None) -> list[Found]:
    return [file for file in _there(index, source, root) if _selected(file.path, source)]


def _there(index: int, source: FileSource, root: str | None) -> list[Found]:
    """All files of a source, selected or not."""
    if root is None or not Path(root).is_dir():
        return []
    folder = Path(root)
    if source.table is not None:
        found = list(_from_table(index, source, folder))
    else:
        paths = _matches(folder, source.glob) if source.glob else volumes_below(folder)
        named = bool(source.subject)
        found = [
            Found(index, path, subject_of(path, source), named=named, known=named or _numbered(path))
            for path in paths
        ]
    if source.table is None:
        # Labels and references lie beside the images; they are no images.
        templates = (getattr(source, "labels", None), getattr(source, "reference", None))
        other = [template for template in templates if isinstance(template, str)]
        others = {beside(f.path, template).resolve() for f in found for template in other}
        found = [f for f in found if f.path.resolve() not in others]
    return found


def _matches(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern))
    except (ValueError, NotImplementedError) as error:
        raise ConfigError(
            f"{pattern!r} is no pattern of files below a root ({error}); write for example 'sub-*/ct.nii.gz'."
        ) from error


def _from_table(index: int, source: FileSource, root: Path) -> Iterator[Found]:
    path = root / str(source.table)
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is not a CSV file"
        raise ConfigError(f"Table {path} of source {source.name!r} cannot be read ({reason}).") from error
    columns = list(rows[0]) if rows else []
    unknown = [c for c in columns if c not in _COLUMNS]
    if rows and ("image" not in columns or unknown):
        raise ConfigError(
            f"Table {path} has the columns {', '.join(map(str, columns))}; it needs 'image' and may have "
            f"{', '.join(repr(c) for c in _COLUMNS[1:])}."
        )
    for number, row in enumerate(rows, 2):
        files = {key: root / str(row[key]) for key in _COLUMNS[:3] if row.get(key)}
        absent = next((file for file in files.values() if not file.exists()), None)
        if "image" not in files or absent is not None:
            what = "names no image" if absent is None else f"names {absent}, which is not there"
            raise ConfigError(f"Line {number} of table {path} {what}; correct it.")
        image, subject = files["image"], (row.get("subject") or "").strip()
        yield Found(
            index,
            image,
            subject or subject_of(image, source),
            files.get("labels"),
            files.get("reference"),
            named=bool(subject or source.subject),
            known=bool(subject or source.subject) or _numbered(image),
        )


def _numbered(path: Path) -> bool:
    return _NUMBERED.search(path.as_posix()) is not None


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


def _kept_out(config: FilesConfig) -> set[str]:
    """The subjects that ``split`` keeps out: a hash orders them, so adding some does not shuffle the rest.

    Names that differ in their case alone are one person.
    """
    split = config.split
    assert split is not None
    subjects: dict[str, str] = {}
    for index, source in enumerate(config.all_sources()):
        for file in _of_source(index, source, config.roots[source.root]):
            if not file.known:
                raise ConfigError(
                    f"data.split must know whom {file.path.name} of source {source.name!r} shows; give the "
                    "source a 'subject', a regular expression that names people in paths, or fill the "
                    "column 'subject' of its table."
                )
            subjects[file.person] = min(file.subject, subjects.get(file.person, file.subject))
    if len(subjects) == 1:
        (alone,) = subjects.values()
        raise ConfigError(
            f"data.split finds one person alone, {alone!r}; correct what 'subject' of the sources matches, "
            "or leave the split out."
        )
    ordered = sorted(
        subjects, key=lambda s: hashlib.sha256(f"{split.seed} {subjects[s]}".encode()).hexdigest()
    )
    return set(ordered[: max(1, round(split.held_out * len(ordered)))])


def _refuse_two_people(files: Sequence[Found]) -> None:
    subjects: dict[Path, Found] = {}
    for file in files:
        before = subjects.setdefault(file.path.resolve(), file)
        if file.named and before.named and before.person != file.person:
            raise ConfigError(
                f"{file.path.name} shows {before.subject!r} in one place and {file.subject!r} in another; "
                "correct it."
            )


def _refuse_held_out(config: FilesConfig, sources: Sequence[FileSource], files: list[Found]) -> None:
    if not config.held_out:
        return
    patterns = {source.subject for source in config.all_sources() if source.subject}
    # Whom a table or a pattern names is held out with all their files, also those that no source selects;
    # a number alone is counted anew by another cohort.
    names: dict[Path, set[str]] = {}
    for index, source in enumerate(config.all_sources()):
        for file in _there(index, source, config.roots[source.root]):
            if file.named:
                names.setdefault(file.path.resolve(), set()).add(f"name {file.person}")
    held_out: set[str] = set()
    for entry in config.held_out:
        root_name, _, glob = entry.partition(":")
        root = config.roots[root_name]
        if root is None or not Path(root).is_dir():
            # Nothing of a folder that is not here can be trained on.
            continue
        paths = _matches(Path(root), glob)
        if not paths:
            raise ConfigError(f"Nothing matches {entry!r} of data.held_out; correct it or remove it.")
        for path in map(_series, paths):
            held_out |= _identities(path, Path(root), patterns) | names.get(path.resolve(), set())
    for file in files:
        below = Path(str(config.roots[sources[file.source].root]))
        if held_out & (_identities(_series(file.path), below, patterns) | {f"name {file.person}"}):
            raise ConfigError(
                f"Subject {file.subject!r} ({file.path.name}) is both trained on and held out; "
                "remove it from one side."
            )


def _series(path: Path) -> Path:
    """The folder of a slice, which stands for its series; any other path as it is."""
    return path.parent if holds_dicom(path) else path


def _identities(path: Path, root: Path, patterns: set[str]) -> set[str]:
    """What tells that two files show one subject: place, names in the path, the simulator's own account."""
    account = path.parent / "subject.json"
    if account.is_file():
        found = {f"folder {path.parent.resolve()}", hashlib.sha256(account.read_bytes()).hexdigest()}
    else:
        found = {f"file {path.resolve()}"}
    matches = (re.search(pattern, path.as_posix()) for pattern in patterns)
    numbered = _NUMBERED.search(path.as_posix())
    if numbered and not account.is_file():
        # Below one root a number is one person, whose files may lie in several folders.
        found.add(f"{numbered[0]} in {path.as_posix()[: numbered.start()]}")
        found.add(f"{numbered[0]} below {root.resolve()}")
    return found | {f"name {match[0].casefold()}" for match in matches if match}
