"""Real scans: no truth exists, so cycle error, mutual information and a picture each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from SynthLogic.benchmarks.cases import Report, environment, shipped
from SynthLogic.errors import ConfigError
from SynthLogic.inference import Engine
from SynthLogic.intensity import Percentiles, Pipeline
from SynthLogic.jobs import TranslateRequest
from SynthLogic.jobs.translate import translate_volume
from SynthLogic.review.body import body_mask
from SynthLogic.review.figures import Display, comparison_figure
from SynthLogic.review.metrics import mae, mutual_information
from SynthLogic.review.tables import Cell, Column, Table
from SynthLogic.volume import Volume, read_volume

CT_DISPLAY = Display("CT", (-400.0, 600.0), "HU")
SYNTHETIC_MR_DISPLAY = Display("Synthetic MR", (0.0, 1000.0), "a.u.")
SYNTHETIC_CT_DISPLAY = Display("Synthetic CT", (-1000.0, 600.0), "HU")


@dataclass(frozen=True)
class RealScan:
    """A scan below the folder of real data, and whether the shipped bundles saw it (unpaired) in training."""

    name: str
    path: str
    target: str
    seen: bool


REAL_SCANS = (
    RealScan("cta_heart_totalseg", "cta_heart_totalseg/cta_heart_aorta.nii.gz", "MR", True),
    RealScan("ct_chest_lidc0314", "ct_chest_lidc0314/ct.nii.gz", "MR", True),
    RealScan("mr_heart_3d_seg3d", "mr_heart_3d_seg3d/mr_heart_1p25x1p25x2p5.nii.gz", "CT", True),
    RealScan("cardiac_mr_sunnybrook I-1", "cardiac_mr_sunnybrook/SC-HF-I-1_ED.nii.gz", "CT", True),
    RealScan("cardiac_mr_sunnybrook I-4", "cardiac_mr_sunnybrook/SC-HF-I-4_ED.nii.gz", "CT", False),
)


def mr_display(volume: Volume, label: str = "MR") -> Display:
    """Display window of an acquired MR: 0 to its 99.5th percentile."""
    return Display(label, (0.0, float(np.percentile(volume.array, 99.5))), "a.u.")


def find_scans(folder: Path | None) -> list[Path]:
    """Where each of ``REAL_SCANS`` lies.

    Raises:
        ConfigError: no folder, or a scan is not in it.
    """
    if folder is None:
        raise ConfigError("The benchmark on real scans needs their folder: name it with --real-data FOLDER.")
    paths = [Path(folder) / scan.path for scan in REAL_SCANS]
    missing = [scan.path for scan, path in zip(REAL_SCANS, paths, strict=True) if not path.exists()]
    if missing:
        raise ConfigError(f"The real scan {missing[0]} is not in the folder given: see docs/real-scans.md.")
    return paths


def real_tables(folder: Path | None, output: Path, report: Report) -> list[Table]:
    """Translate each scan and back, and draw ``output/real-NAME.png``.

    Raises:
        ConfigError: see ``find_scans``.
    """
    paths = find_scans(folder)
    engines = {"MR": Engine(shipped("ct-to-mr")), "CT": Engine(shipped("mr-to-ct"))}
    rows: list[tuple[Cell, ...]] = []
    for number, (item, path) in enumerate(zip(REAL_SCANS, paths, strict=True)):
        report(number, len(REAL_SCANS), "scans")
        scan = read_volume(path)
        request = TranslateRequest.model_validate({"target": item.target})
        result, record = translate_volume(request, scan)
        source = "CT" if item.target == "MR" else "MR"
        back = engines[source].run(result.volume).volume
        original = scan.volume
        if source == "MR":
            unit, _ = Pipeline(steps=[Percentiles(lower=0.5, upper=99.0)]).forward(original)
            original = original.with_array((unit + 1) * np.float32(500))
        body = body_mask(scan.volume, source)
        shared = mutual_information(original.array, result.volume.array, body)
        limit = mutual_information(original.array, original.array, body)
        rows.append(
            (
                item.name,
                f"{source} to {item.target}",
                item.seen,
                mae(back.array, original.array, body),
                "HU" if source == "CT" else "a.u. of 1000",
                shared,
                shared / limit,
                sum(record.timings.values()),
            )
        )
        comparison_figure(
            scan.volume,
            result.volume,
            None,
            Path(output) / f"real-{item.name.replace(' ', '-')}.png",
            input_display=CT_DISPLAY if source == "CT" else mr_display(scan.volume),
            output_display=SYNTHETIC_MR_DISPLAY if item.target == "MR" else SYNTHETIC_CT_DISPLAY,
            title=f"{item.name}, {record.bundle.name} {record.bundle.version}",
        )
    columns = (
        Column("scan"),
        Column("direction"),
        Column("seen in training, unpaired"),
        Column("cycle error (MAE)", "", 1),
        Column("units"),
        Column("mutual information", "nat", 2),
        Column("share of the input's entropy", "", 2),
        Column("time", "s", 1),
    )
    notes = (
        "There is no truth for these scans. A low cycle error shows that the way back was learned, not that "
        "the image between is right; mutual information shows that the input's structures are still there.",
        environment(),
    )
    return [Table("Real scans", columns, tuple(rows), notes)]
