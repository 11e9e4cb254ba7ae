"""``crossmodalsynth align``: one scan laid onto that of another person."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from SynthLogic.cli.console import Answer, warn
from SynthLogic.cli.options import DebugFlag, JsonFlag, Yes, example
from SynthLogic.cli.outputs import may_replace
from SynthLogic.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from SynthLogic.alignment import Alignment

EPILOG = example(
    "crossmodalsynth align ct.nii.gz mr.nii.gz ct_on_mr.nii.gz --moving-labels ct_seg.nii.gz "
    "--fixed-labels mr_seg.nii.gz",
    "crossmodalsynth align ct.nii.gz mr.nii.gz ct_on_mr.nii.gz --transform rigid",
)


class Kind(str, Enum):
    """Freedoms of the transform."""

    rigid = "rigid"
    similarity = "similarity"
    affine = "affine"


class Interpolation(str, Enum):
    """Of the moving image."""

    linear = "linear"
    cubic = "cubic"


def align(
    moving: Annotated[Path, typer.Argument(metavar="MOVING", help="Scan to be moved; file or DICOM folder.")],
    fixed: Annotated[Path, typer.Argument(metavar="FIXED", help="Scan that stays, and whose grid is taken.")],
    output: Annotated[
        Path, typer.Argument(metavar="OUTPUT", help=".nii, .nii.gz, .nrrd or .mha file to write.")
    ],
    moving_labels: Annotated[
        Path | None,
        typer.Option("--moving-labels", metavar="FILE", help="Label map on MOVING's grid."),
    ] = None,
    fixed_labels: Annotated[
        Path | None,
        typer.Option("--fixed-labels", metavar="FILE", help="Label map on FIXED's grid, with equal values."),
    ] = None,
    transform: Annotated[
        Kind | None,
        typer.Option(
            "--transform", case_sensitive=False, help="affine by labels, rigid by images, if not given."
        ),
    ] = None,
    structures: Annotated[
        str | None,
        typer.Option(
            "--structures", metavar="LIST", help="Label values to match, such as 1,2,5; all if not given."
        ),
    ] = None,
    interpolation: Annotated[
        Interpolation, typer.Option("--interpolation", case_sensitive=False, help="Of the moved image.")
    ] = Interpolation.linear,
    fixed_output: Annotated[
        Path | None,
        typer.Option(
            "--fixed-output", metavar="FILE", help="Also write FIXED without what MOVING did not see."
        ),
    ] = None,
    transform_output: Annotated[
        Path | None,
        typer.Option("--transform-output", metavar="FILE", help=".tfm or .h5; OUTPUT.tfm if not given."),
    ] = None,
    moving_background: Annotated[
        float | None,
        typer.Option("--moving-background", metavar="VALUE", help="Outside MOVING; its lowest if not given."),
    ] = None,
    fixed_background: Annotated[
        float | None,
        typer.Option("--fixed-background", metavar="VALUE", help="The same in FIXED."),
    ] = None,
    yes: Yes = False,
    json_: JsonFlag = False,
    debug: DebugFlag = False,
) -> Answer:
    """Lay a scan onto that of another person, so that both show one view.

    With labels of both, structures are laid onto structures. Without, the images are matched by mutual
    information. What MOVING did not see is background. OUTPUT.tfm loads in 3D Slicer.
    """
    values = _values(structures)
    from SynthLogic.jobs.align import AlignFiles
    from SynthLogic.jobs.align import align as run_align

    files = AlignFiles.beside(
        output,
        transform=transform_output,
        fixed=fixed_output,
        moving_labels=moving_labels is not None,
        fixed_labels=fixed_labels is not None,
    )
    may_replace(files.all, yes, ask=not json_)
    found = run_align(
        moving,
        fixed,
        files,
        moving_labels=moving_labels,
        fixed_labels=fixed_labels,
        transform=None if transform is None else transform.value,
        structures=values,
        order=1 if interpolation is Interpolation.linear else 3,
        moving_background=moving_background,
        fixed_background=fixed_background,
    )
    for note in found.notes:
        warn(note)
    return _answer(found, files.all)


def _answer(found: Alignment, written: tuple[Path, ...]) -> Answer:
    from SynthLogic.alignment.result import mean

    by = "labels" if found.nmi_after is None else "images"

    def show(console: Console) -> None:
        def line(text: str) -> None:
            console.print(text, markup=False, soft_wrap=True)

        line(f"Aligned by {by}, {found.transform}.")
        if by == "labels":
            line("Dice       before  after")
            for value, after in found.dice_after.items():
                line(f"label {value:<5d} {found.dice_before[value]:.3f}  {after:.3f}")
            line(f"mean        {mean(found.dice_before):.3f}  {mean(found.dice_after):.3f}")
        else:
            line(f"Normalised mutual information: {found.nmi_before:.3f} before, {found.nmi_after:.3f} after")
        for path in written:
            line(f"Output: {path}")

    document = {
        "by": by,
        "transform": found.transform,
        "improved": found.improved,
        "affine_moving_to_fixed_ras": found.affine.tolist(),
        "dice_before": {str(value): dice for value, dice in found.dice_before.items()},
        "dice_after": {str(value): dice for value, dice in found.dice_after.items()},
        "nmi_before": found.nmi_before,
        "nmi_after": found.nmi_after,
        "notes": list(found.notes),
        "files": [str(path) for path in written],
    }
    return Answer(document, show)


def _values(text: str | None) -> list[int] | None:
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise ConfigError(f"--structures {text!r} is no list of label values; write for example 1,2,5.")
    return [int(part) for part in parts]
