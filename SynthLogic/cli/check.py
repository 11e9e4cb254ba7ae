"""``crossmodalsynth check``: what a scan is, and whether it can be translated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from SynthLogic.cli.console import Answer
from SynthLogic.cli.options import DebugFlag, JsonFlag, Model, Target, example

if TYPE_CHECKING:
    from rich.console import Console

    from SynthLogic.bundles import Bundle
    from SynthLogic.jobs import CheckReport

EPILOG = example("crossmodalsynth check ct.nii.gz")


def check(
    input_: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT", help=".nii, .nii.gz, .nrrd, .mha, or a folder with one DICOM series."
        ),
    ],
    to: Annotated[
        Target | None, typer.Option("--to", case_sensitive=False, help="Check it for making this modality.")
    ] = None,
    model: Model = None,
    json_: JsonFlag = False,
    debug: DebugFlag = False,
) -> Answer:
    """Say what a scan is: modality, range, spacing, orientation, coverage.

    Exit code 2 says that it would not be translated as it is.
    """
    from SynthLogic.jobs import check_scan
    from SynthLogic.volume import read_volume

    scan = read_volume(input_)
    bundle = _bundle(model, to)
    report = check_scan(scan, bundle.card if bundle else None, to.value if to else None)
    if bundle is None and report.modality is not None and not report.errors:
        # Nobody said what for: then for the other modality, if a bundle for it is installed.
        bundle = _installed_for(report.modality)
        report = check_scan(scan, bundle.card) if bundle else report
    stopped = any(finding.level == "error" or finding.needs_force for finding in report.findings)
    document = {
        "bundle": bundle.name if bundle else None,
        "content_hash": scan.content_hash,
        "stopped": stopped,
        **report.model_dump(mode="json"),
    }
    return Answer(document, lambda console: _show(console, report, bundle), code=2 if stopped else 0)


def _bundle(model: str | None, to: Target | None) -> Bundle | None:
    from SynthLogic.bundles import find, pick
    from SynthLogic.errors import BundleError

    if model is not None:
        bundle = find(model)
        bundle.card.expect("translate")
        if to is not None and bundle.card.output.modality != to.value:
            raise BundleError(
                f"Bundle {bundle.card.name!r} makes {bundle.card.output.modality}, not {to.value}; "
                "leave out --to or choose another bundle."
            )
        return bundle
    return None if to is None else pick(to.source, to.value)[0]


def _installed_for(modality: str) -> Bundle | None:
    from SynthLogic.bundles import pick
    from SynthLogic.errors import BundleError

    try:
        return pick(modality, "CT" if modality == "MR" else "MR")[0]
    except BundleError:
        return None


def _show(console: Console, report: CheckReport, bundle: Bundle | None) -> None:
    from rich.table import Table
    from rich.text import Text

    def numbers(values: tuple[float, ...], separator: str = " x ") -> str:
        return separator.join(f"{value:.4g}" for value in values)

    table = Table(show_header=False, title="Scan", title_justify="left")
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    guess = "none" if report.modality is None else f"{report.modality} ({report.confidence:.0%} sure)"
    rows = [
        ("Modality", "; ".join((guess, *report.reasons))),
        ("Values", f"{numbers(report.value_range, ' to ')}, {report.dtype}"),
        ("Percentiles", f"{numbers(report.percentiles, ', ')} (1, 50, 99 %)"),
        ("Voxels", f"{numbers(report.shape[::-1])} (I, J, K)"),
        ("Spacing", f"{numbers(report.spacing)} mm"),
        ("Orientation", f"{report.orientation}, {report.oblique_degrees:.1f}° oblique"),
        ("Field of view", f"{numbers(report.field_of_view_mm)} mm"),
        ("Body", f"{numbers(report.body_mm)} mm (right, anterior, superior)"),
        ("Coverage", f"{report.coverage}, asked of {bundle.name}" if bundle else report.coverage),
    ]
    for key, value in rows:
        table.add_row(key, Text(value))
    console.print(table)
    for finding in report.findings:
        console.print(f"{finding.level.capitalize()}: {finding.message}", markup=False, soft_wrap=True)
    if not report.findings:
        console.print("Nothing stands in the way.")
