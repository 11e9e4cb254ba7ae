"""Gradient consistency in CycleGAN, hip MR to CT, with few and many volumes (Hiasa et al. 2018, table 1).

MR and CT of different simulated people, coronal slices. Figures are of unseen people, of whom MR and CT exist
on one grid: mean absolute error and PSNR of the synthetic CT against the noise-free one in the paper's scale,
where [-150, 350] HU are [0, 255]; and the mutual information between an image and its translation.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from SynthLogic.benchmarks.cases import TEST_SEED, environment
from SynthLogic.benchmarks.gates import gate_table
from SynthLogic.experiments.cohorts import write_cohort, write_subject
from SynthLogic.experiments.tasks import Report, Task, run_tasks
from SynthLogic.experiments.training import Size, domain, recipe, trained
from SynthLogic.inference import Engine
from SynthLogic.phantoms.hip import make_hip
from SynthLogic.review.metrics import mutual_information
from SynthLogic.review.statistics import p_above_zero
from SynthLogic.review.tables import Cell, Column, Table
from SynthLogic.volume import Volume, read_volume

MR_SEED, CT_SEED = 41, 42
WINDOW = (-150.0, 350.0)
# Trainings and results in the same folder that are those of ``paper2_segmentation``.
NOT_ITS_OWN = "unet-*"
_BINS = 64
# Losses of each way to train.
WAYS: dict[str, dict[str, Any]] = {
    "without GC": {"lambda_gc": 0.0},
    "GC, published": {"gc": "published"},
    "GC, any contrast": {"gc": "any-contrast"},
}
# The paper's MAE and PSNR, by number of volumes; it has no variant for any contrast.
PUBLISHED: dict[tuple[str, str], tuple[float, float]] = {
    ("few", "without GC"): (30.233, 15.014),
    ("few", "GC, published"): (29.781, 15.063),
    ("many", "without GC"): (26.283, 16.190),
    ("many", "GC, published"): (25.541, 16.465),
}


@dataclass(frozen=True)
class Scale:
    """How large the experiment is.

    Attributes:
        few: volumes of each modality.
        many: likewise; paper 2 has 302 MR and 613 CT.
        tested: unseen people, of ``TEST_SEED``.
        spacing_mm: of the volumes, isotropic.
        size: of each training.
        seeds: of weights and samples.
    """

    few: int
    many: int
    tested: int
    spacing_mm: float
    size: Size
    seeds: tuple[int, ...] = (1, 2, 3)


SCALES = {
    "smoke": Scale(2, 3, 2, 8.0, Size(32, 8.0, 10, 10, 4, 1), seeds=(1,)),
    "cpu": Scale(20, 300, 10, 4.0, Size(80, 4.0, 2400, 1000, 16, 4, lr=7e-4, clip_norm=1)),
    "gpu": Scale(20, 300, 10, 1.25, Size(256, 1.25, 100_000, 100_000, 64, 9, precision="bf16-mixed")),
}


def run(scale: Scale, work: Path, *, workers: int = 1, report: Report | None = None) -> list[Table]:
    """Make the people, train, test, and put the table together; see ``paper3.run``."""
    here = f"{__name__}:write_person"
    cohorts = {}
    for name, seed, count in (
        ("mr", MR_SEED, scale.many),
        ("ct", CT_SEED, scale.many),
        ("tested", TEST_SEED, scale.tested),
    ):
        cohorts[name] = write_cohort(
            work / name, here, seed=seed, first=0, count=count, workers=workers, report=report,
            spacing_mm=scale.spacing_mm, images=["mr", "ct"] if name == "tested" else [name],
        )  # fmt: skip
    tasks = [
        Task(
            f"{amount}-{word(way)}-{seed}",
            f"{__name__}:train_and_test",
            {
                "work": str(work),
                "volumes": volumes,
                "way": way,
                "seed": seed,
                "size": asdict(scale.size),
            },
        )
        for seed in scale.seeds
        for amount, volumes in (("few", scale.few), ("many", scale.many))
        for way in WAYS
    ]
    found = run_tasks(tasks, work / "results", workers=workers, report=report)
    return tables(scale, found)


def write_person(folder: str, seed: int, index: int, spacing_mm: float, images: list[str]) -> dict[str, Any]:
    """One hip's images on the coronal grid, noisy and clean, with labels."""
    hip = make_hip(seed, index, spacing=(spacing_mm,) * 3)
    names = [name + kind for name in images for kind in ("", "_reference")]
    files = {name: volume for name in (*names, "labels") if isinstance(volume := hip.files[name], Volume)}
    write_subject(Path(folder), files, hip.parameters)
    return {}


def training(work: Path, volumes: int, way: str, seed: int, size: Size) -> tuple[dict[str, Any], Path]:
    """The recipe of one training, and the folder of its run."""
    name = f"hip-{volumes}-{word(way)}-{seed}"
    people = f"1-{volumes}"
    ct = domain("CT", "ct/sub-*/ct.nii.gz", subjects=people, window=WINDOW)
    mr = domain("MR", "mr/sub-*/mr.nii.gz", subjects=people)
    plain = recipe(
        "cyclegan-gc", size, work, mr, ct, seed=seed, name=name, losses=WAYS[way],
        sampling={"planes": {"coronal": 1.0}, "slack": 0.03, "rotation_deg": 3.0},
    )  # fmt: skip
    return plain, work / "runs" / name


def train_and_test(
    work: str, volumes: int, way: str, seed: int, size: dict[str, Any]
) -> list[dict[str, float]]:
    """One training, and each tested person's figures."""
    bundles = trained(*training(Path(work), volumes, way, seed, Size(**size)))
    engines = {direction: Engine(bundle, "auto", "fp32") for direction, bundle in bundles.items()}
    return [tested_person(engines, folder) for folder in sorted((Path(work) / "tested").glob("sub-*"))]


def tested_person(engines: dict[str, Engine], folder: Path) -> dict[str, float]:
    """Errors of the synthetic CT, and mutual information in both directions."""
    mr, ct, truth = (read_volume(folder / f"{name}.nii.gz").volume for name in ("mr", "ct", "ct_reference"))
    made_ct = engines["a_to_b"].run(mr, planes=("coronal",)).volume
    made_mr = engines["b_to_a"].run(ct, planes=("coronal",)).volume
    error = grey(made_ct.array) - grey(truth.array)
    return {
        "mae": float(np.abs(error).mean()),
        "psnr": float(20 * np.log10(255 / np.sqrt((error**2).mean()))),
        "mi_ct": mutual_information(mr.array, made_ct.array, bins=_BINS),
        "mi_mr": mutual_information(ct.array, made_mr.array, bins=_BINS),
    }


def word(way: str) -> str:
    """A way to train as part of a file's name."""
    return way.replace(", ", "-").replace(" ", "-").lower()


def grey(hu: np.ndarray) -> np.ndarray:
    """HU in the paper's scale, [-150, 350] as [0, 255]."""
    low, high = WINDOW
    return (hu.astype(np.float64).clip(low, high) - low) / (high - low) * 255


def tables(scale: Scale, found: dict[str, Any]) -> list[Table]:
    """The paper's table with its figures beside ours, and the gates."""
    keys = ("mae", "psnr", "mi_ct", "mi_mr")
    # (Seed, person) of each figure.
    pooled: dict[tuple[str, str], dict[str, np.ndarray]] = {}
    for amount in ("few", "many"):
        for way in WAYS:
            runs = [
                [[person[k] for k in keys] for person in found[f"{amount}-{word(way)}-{s}"]]
                for s in scale.seeds
            ]
            figures = np.array(runs)
            pooled[amount, way] = {key: figures[..., n] for n, key in enumerate(keys)}
    rows: list[tuple[Cell, ...]] = []
    for (amount, way), values in pooled.items():
        volumes = scale.few if amount == "few" else scale.many
        paper = PUBLISHED.get((amount, way), (None, None))
        cells = [float(values[key].mean()) for key in keys]
        seeds = values["mae"].mean(1)
        spread = float(seeds.std(ddof=1)) if len(seeds) > 1 else None
        rows.append((volumes, way, cells[0], spread, paper[0], cells[1], paper[1], *cells[2:]))
    columns = (
        Column("volumes of each", "", 0),
        Column("training"),
        Column("MAE", "", 2),
        Column("± MAE between seeds", "", 2),
        Column("MAE in the paper", "", 2),
        Column("PSNR", "dB", 2),
        Column("PSNR in the paper", "dB", 2),
        Column("MI of MR and CT made", "nat", 3),
        Column("MI of CT and MR made", "nat", 3),
    )
    note = (
        f"MR of seed {MR_SEED}, CT of seed {CT_SEED}, tested on {scale.tested} people of seed {TEST_SEED}; "
        f"{scale.spacing_mm:g} mm, coronal slices turned by up to 3 degrees; {scale.size.text}; training "
        f"seeds {', '.join(map(str, scale.seeds))}, and p over people, each the mean of the seeds. Trained "
        "on noisy images with their bias field, not corrected by N4, and measured against noise-free ones. "
        "The paper's volumes are real and its networks larger; its figures are there for their differences."
    )
    table = Table("Hip, MR to CT without pairs", columns, tuple(rows), (note, environment()))
    return [table, _gates(scale, pooled)]


def _gates(scale: Scale, pooled: dict[tuple[str, str], dict[str, np.ndarray]]) -> Table:
    rows: list[tuple[Cell, ...]] = []

    def certainty(gain: np.ndarray) -> tuple[Cell, Cell]:
        # Over people p, each the mean of the seeds; over trainings, how many agree.
        return p_above_zero(gain.mean(0)), f"{int((gain.mean(1) > 0).sum())} of {len(gain)}"

    for amount, volumes in (("few", scale.few), ("many", scale.many)):
        without = pooled[amount, "without GC"]
        for way in list(WAYS)[1:]:
            for key, name, sign in (
                ("mae", "MAE", -1),
                ("psnr", "PSNR (dB)", 1),
                ("mi_ct", "MI of MR and CT made", 1),
                ("mi_mr", "MI of CT and MR made", 1),
            ):
                gain = sign * (pooled[amount, way][key] - without[key])
                wanted = "< 0" if sign < 0 else "> 0"
                rows.append(
                    (f"{volumes} volumes, {way}: change of {name}", sign * float(gain.mean()), wanted,
                     float(gain.mean()) > 0, *certainty(gain))
                )  # fmt: skip
    for way in WAYS:
        few, many = (pooled[amount, way]["mae"] for amount in ("few", "many"))
        share = 100 * float(1 - many.mean() / few.mean())
        rows.append(
            (f"{way}: more data lower MAE by (%)", share, "≥ 10", share >= 10, *certainty(few - many))
        )
    return gate_table("Gates: paper 2", rows, (Column("training seeds with a gain"),))
