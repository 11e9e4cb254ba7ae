"""Lay one scan file onto another one: read, align, and write all files or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from SynthLogic.alignment import Alignment, Transform, by_images, by_labels, write_transform
from SynthLogic.alignment.transform_file import check_transform_name
from SynthLogic.errors import OutputError
from SynthLogic.jobs.output import check_output, check_space, publish, staging
from SynthLogic.volume import Volume, check_writable, read_volume, write_volume
from SynthLogic.volume.read import extension

MARK = "Resampled by CrossModalSynth, not for diagnosis"


@dataclass(frozen=True)
class AlignFiles:
    """Where an alignment's files go.

    Attributes:
        moved: the moving image on the fixed grid.
        transform: ITK transform file.
        moved_labels: None without labels of the moving scan.
        fixed: the fixed image, masked; None where it is not wanted.
        fixed_labels: likewise; None also without labels of the fixed scan.
    """

    moved: Path
    transform: Path
    moved_labels: Path | None = None
    fixed: Path | None = None
    fixed_labels: Path | None = None

    @classmethod
    def beside(
        cls,
        output: Path,
        *,
        transform: Path | None = None,
        fixed: Path | None = None,
        moving_labels: bool = False,
        fixed_labels: bool = False,
    ) -> AlignFiles:
        """OUTPUT.tfm unless named otherwise, OUTPUT.labels.EXT, FIXED and FIXED.labels.EXT."""
        return cls(
            moved=output,
            transform=transform or output.with_name(f"{_stem(output)}.tfm"),
            moved_labels=_labels_of(output) if moving_labels else None,
            fixed=fixed,
            fixed_labels=_labels_of(fixed) if fixed_labels and fixed is not None else None,
        )

    @property
    def images(self) -> tuple[Path, ...]:
        """All images and label maps."""
        found = (self.moved, self.moved_labels, self.fixed, self.fixed_labels)
        return tuple(path for path in found if path is not None)

    @property
    def all(self) -> tuple[Path, ...]:
        """Every file."""
        return (*self.images, self.transform)


def align(
    moving: Path,
    fixed: Path,
    files: AlignFiles,
    *,
    moving_labels: Path | None = None,
    fixed_labels: Path | None = None,
    transform: Transform | None = None,
    structures: Sequence[int] | None = None,
    order: int = 1,
    moving_background: float | None = None,
    fixed_background: float | None = None,
) -> Alignment:
    """Lay the scan in ``moving`` onto that in ``fixed``: by labels if both have them, else by the images.

    Args:
        moving: scan file or DICOM folder.
        fixed: scan file or DICOM folder.
        files: what to write.
        moving_labels: label map on the moving scan's grid, or None.
        fixed_labels: label map on the fixed scan's grid, or None.
        transform: the most freedoms; None is affine by labels and rigid by images.
        structures: label values to match; None takes all that both have.
        order: 1 linear, 3 cubic.
        moving_background: see ``alignment.by_labels``.
        fixed_background: see there.

    Raises:
        InputError: a scan or label map cannot be read, or they cannot be aligned.
        OutputError: a file cannot be written, or lies upon an input; all is as it was then.
    """
    given = [path for path in (moving, fixed, moving_labels, fixed_labels) if path is not None]
    _check_files(given, files)
    f, m = read_volume(fixed).volume, read_volume(moving).volume
    fl, ml = (None if path is None else read_volume(path).volume for path in (fixed_labels, moving_labels))
    check_space(files.moved, f.array.size * m.array.itemsize * len(files.images))
    if fl is not None and ml is not None:
        found = by_labels(
            f,
            fl,
            m,
            ml,
            transform=transform or "affine",
            structures=structures,
            order=order,
            fixed_background=fixed_background,
            moving_background=moving_background,
        )
    else:
        found = by_images(
            f,
            m,
            transform=transform or "rigid",
            fixed_labels=fl,
            moving_labels=ml,
            order=order,
            fixed_background=fixed_background,
            moving_background=moving_background,
        )
    _write(found, files)
    return found


def _check_files(given: list[Path], files: AlignFiles) -> None:
    check_transform_name(files.transform)
    places = [path.resolve() for path in files.all]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise OutputError(
                f"{place.name} would be written twice; choose another name for one of the outputs."
            )
    if any(path.parent.resolve() != files.moved.parent.resolve() for path in files.all):
        raise OutputError(
            "All outputs must lie in one folder, so that all or none are written; name them beside "
            f"{files.moved.name}."
        )
    for path in given:
        check_output(path, files.moved, files.all[1:])
    for path in files.images[1:]:
        check_writable(path)


def _write(found: Alignment, files: AlignFiles) -> None:
    volumes: list[tuple[Path | None, Volume | None]] = [
        (files.moved, found.moved),
        (files.moved_labels, found.moved_labels),
        (files.fixed, found.fixed),
        (files.fixed_labels, found.fixed_labels),
    ]
    with staging(files.moved) as place:
        prepared = []
        for target, volume in volumes:
            if target is not None and volume is not None:
                write_volume(place / target.name, volume, MARK)
                prepared.append((place / target.name, target))
        write_transform(place / files.transform.name, found.affine)
        prepared.append((place / files.transform.name, files.transform))
        publish(prepared, place)


def _stem(path: Path) -> str:
    return path.name[: -len(extension(path) or "")] or path.name


def _labels_of(path: Path) -> Path:
    return path.with_name(f"{_stem(path)}.labels{extension(path) or ''}")


__all__ = ["AlignFiles", "align"]
