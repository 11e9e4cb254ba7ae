"""``make demo``: a subject translated both ways, and hearts between two; pictures and figures to look at."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from SynthLogic.benchmarks.cases import DIRECTIONS, Report, case_of, environment, shipped
from SynthLogic.benchmarks.quality import figures
from SynthLogic.benchmarks.real import CT_DISPLAY, SYNTHETIC_CT_DISPLAY, SYNTHETIC_MR_DISPLAY, mr_display
from SynthLogic.inference import Progress
from SynthLogic.jobs import TranslateRequest, translate
from SynthLogic.jobs.heart_requests import InterpolateRequest, NamedStyle
from SynthLogic.jobs.interpolate import interpolate
from SynthLogic.phantoms import BLOOD, MARK, make_heart, make_subject, write_subject
from SynthLogic.review.figures import comparison_figure
from SynthLogic.review.heart_figure import HeartColumn, hearts_figure
from SynthLogic.review.tables import Column, Table, write_tables
from SynthLogic.volume import read_volume, write_volume

DEMO_SEED, HEARTS = 2027, 6


@dataclass(frozen=True)
class DemoSummary:
    """What the demo made: its table, and the files worth opening, most telling first."""

    tables: tuple[Table, ...]
    files: tuple[Path, ...]


def _share(report: Report, start: int) -> Callable[[Progress], None]:
    """Progress of one translation as 35 of the demo's 100 percent."""

    def tell(progress: Progress) -> None:
        report(start + 35 * progress.done // max(progress.total, 1), 100, "% of the demo")

    return tell


def run_demo(output: Path, progress: Report = lambda done, total, unit: None) -> DemoSummary:
    """Simulate a subject, translate its CT and its MR, compare with the truth; all files go to ``output``.

    Raises:
        OutputError: the folder cannot be written.
        BundleError: a shipped bundle is missing or damaged.
    """
    output = Path(output)
    progress(0, 100, "% of the demo")
    subject = make_subject(DEMO_SEED, 0, pathology="normal", phase=0.0)
    folder = output / "sub-demo"
    write_subject(folder, subject)
    rows = []
    pictures: list[Path] = []
    volumes: list[Path] = []
    middle = tuple(int(n) for n in np.argwhere(np.isin(subject.ct_labels.array, BLOOD[:4])).mean(0))
    for start, direction in zip((10, 55), DIRECTIONS, strict=True):
        source, target = direction.upper().split("-TO-")
        case = case_of(subject, direction)
        path = output / f"synthetic-{target.lower()}.nii.gz"
        began = time.perf_counter()
        record = translate(
            TranslateRequest.model_validate({"target": target}),
            folder / f"{source.lower()}.nii.gz",
            path,
            progress=_share(progress, start),
            bundle=shipped(direction),
        )
        seconds = time.perf_counter() - began
        result = read_volume(path).volume
        measured = figures(result.array, case, target)
        rows.append(
            (
                f"{source} to {target}",
                record.bundle.name,
                measured["MAE"],
                "HU" if target == "CT" else "a.u. of 1000",
                measured["PSNR"],
                measured["SSIM"],
                seconds,
                f"{record.device}, {record.precision}",
            )
        )
        acquired = mr_display(case.input) if source == "MR" else CT_DISPLAY
        picture = comparison_figure(
            case.input,
            result,
            case.reference,
            output / f"{direction}.png",
            input_display=acquired,
            output_display=SYNTHETIC_MR_DISPLAY if target == "MR" else SYNTHETIC_CT_DISPLAY,
            title=f"Simulated subject, {record.bundle.name} {record.bundle.version}",
            centre=middle,  # type: ignore[arg-type]
        )
        pictures.append(picture)
        volumes += [path, output / f"synthetic-{target.lower()}.record.json"]
    table = Table(
        title="Demo: one simulated subject against its noise-free truth, inside the body",
        columns=(
            Column("direction"),
            Column("bundle"),
            Column("MAE", "", 1),
            Column("units"),
            Column("PSNR", "dB", 1),
            Column("SSIM", "", 3),
            Column("time", "s", 1),
            Column("ran on"),
        ),
        rows=tuple(rows),
        notes=(environment(),),
    )
    written = write_tables([table], output / "figures")
    pictures.append(_hearts(output))
    progress(100, 100, "% of the demo")
    return DemoSummary((table,), (*pictures, written[0], *volumes))


def _hearts(output: Path) -> Path:
    """Three hearts between two simulated ones, from the look of a simulated vendor to that of a real scan."""
    folder = output / "hearts"
    parents = []
    for index, (name, group) in enumerate((("a", "hypertrophic"), ("b", "dilated"))):
        subject = make_heart(DEMO_SEED, index, pathology=group)
        parents.append(folder / f"{name}_labels.nii.gz")
        folder.mkdir(parents=True, exist_ok=True)
        write_volume(parents[-1], subject.ed_labels, MARK)
    styles = (NamedStyle(name="vendor-a"), NamedStyle(name="sunnybrook"))
    request = InterpolateRequest(steps=HEARTS, slices=12, style_a=styles[0], style_b=styles[1])
    interpolate(request, parents[0], parents[1], folder / "between", replace=True)
    columns = []
    for step in range(1, HEARTS + 1):
        stem = folder / "between" / f"step-{step:02d}of{HEARTS:02d}"
        image, labels = (
            read_volume(stem.with_name(stem.name + e)).volume for e in (".nii.gz", ".labels.nii.gz")
        )
        title = f"{step} of {HEARTS + 1}"
        columns.append(HeartColumn(title, labels.array, image.array, (0.0, 900.0)))
    return hearts_figure(
        columns, output / "hearts.png",
        "Between a hypertrophic and a dilated heart, from a simulated vendor's look to a real scan's",
    )  # fmt: skip
