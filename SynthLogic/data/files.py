"""The images of a domain, each with its clean twin and its label map."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from SynthLogic.data.config import DataConfig, DomainConfig, SourceConfig
from SynthLogic.data.find import Found, beside, find_files
from SynthLogic.errors import ConfigError


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


def list_files(
    config: DataConfig, domain: DomainConfig, *, held_out: bool = False
) -> tuple[list[SourceFile], list[str]]:
    """Find a domain's files.

    Args:
        config: all data.
        domain: one side of them.
        held_out: those that ``split`` keeps out, instead of those that are trained on.

    Returns:
        The files, sorted within each source, and one sentence for every optional source that is not here.

    Raises:
        ConfigError: see ``find_files``; or a label map or reference is missing.
    """
    kind = domain.modality
    found, missing = find_files(config, domain.sources, f"{kind} domain", f" ({kind})", held_out=held_out)
    # Of a pair, the first image says where both are cut.
    first = domain is config.a or not config.paired
    needed = bool(config.masks) or (config.sampling.wants_labels and first)
    return [_source_file(file, domain.sources[file.source], config, needed) for file in found], missing


def refuse_shared_files(config: DataConfig) -> None:
    """Refuse a file that is in both domains: what would be translated into what?

    Raises:
        ConfigError: there is one; or see ``list_files``.
    """
    a, b = (list_files(config, domain)[0] for domain in (config.a, config.b))
    both = {file.path.resolve() for file in a} & {file.path.resolve() for file in b}
    if both:
        raise ConfigError(f"{min(both)} is in both domains; correct the sources of one of them.")


def _source_file(file: Found, source: SourceConfig, config: DataConfig, needed: bool) -> SourceFile:
    labels, reference = file.labels, file.reference
    if source.labels and labels is None:
        labels = beside(file.path, source.labels)
    if source.reference and reference is None:
        reference = beside(file.path, source.reference)
    if not config.wants_labels:
        labels = None
    if labels is None and needed:
        raise ConfigError(
            f"{file.path} has no label map, by which masks or sampling go; name it in the table."
        )
    if labels is not None and not labels.is_file():
        raise ConfigError(f"Label map {labels} is missing; make the cohort again or set labels to null.")
    if reference is not None and not reference.is_file():
        raise ConfigError(
            f"Reference {reference} is missing; make the cohort again or set reference to null."
        )
    # Where subjects are named they may lie anywhere; a pattern's files belong to the subject of their folder.
    named = source.table or source.subject or source.glob is None
    pair = file.subject if named else str(file.path.parent.resolve())
    return SourceFile(file.path, reference, labels, file.source, file.subject, pair)
