"""DicycleGAN against CycleGAN on brains, undeformed and deformed (Wang et al. 2018, tables 1 and 2).

Domain A is PD, domain B is T2 of the same simulated people, slices drawn without pairs; the brain alone, as
in the paper. In the second half every T2 is deformed by one smooth deformation, the same for all, within
axial planes. What a generator is asked for lies as its input lies: the truth of a deformed T2 is the PD
deformed alike, that of a PD is the T2 as it was.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from SynthLogic.benchmarks.cases import TEST_SEED, environment
from SynthLogic.benchmarks.gates import gate_table
from SynthLogic.bundles import Bundle
from SynthLogic.errors import InputError
from SynthLogic.experiments.cohorts import within, write_cohort, write_subject
from SynthLogic.experiments.tasks import Report, Task, run_tasks
from SynthLogic.experiments.training import Size, domain, recipe, trained
from SynthLogic.inference import Engine
from SynthLogic.intensity import Percentiles, Pipeline
from SynthLogic.phantoms import Deformation
from SynthLogic.phantoms.brain import make_brain
from SynthLogic.phantoms.brain_tissues import BrainLabel
from SynthLogic.review.metrics import mse, ssim_global
from SynthLogic.review.misalignment import misalignment
from SynthLogic.review.statistics import p_above_zero
from SynthLogic.review.tables import Cell, Column, Table
from SynthLogic.volume import Volume, read_volume

TRAINING_SEED = 31
BRAIN = tuple(range(BrainLabel.GREY_MATTER, BrainLabel.BRAIN_STEM + 1))
METHODS = {"Cycle": "cyclegan", "Dicycle": "dicyclegan"}
DIRECTIONS = {"PD to T2": "a_to_b", "T2 to PD": "b_to_a"}
PERCENTILES = (0.5, 99.5)
# What the paper measured: (MSE, PSNR, SSIM).
PUBLISHED: dict[tuple[bool, str, str], tuple[float | None, float | None, float | None]] = {
    (False, "PD to T2", "Cycle"): (0.186, 27.35, 0.854),
    (False, "PD to T2", "Dicycle"): (0.183, 26.49, 0.871),
    (False, "T2 to PD", "Cycle"): (0.134, 29.68, 0.892),
    (False, "T2 to PD", "Dicycle"): (0.146, 28.85, 0.883),
    (True, "PD to T2", "Cycle"): (0.586, 19.52, 0.608),
    (True, "T2 to PD", "Cycle"): (0.561, 19.42, 0.600),
    (True, "T2 to PD", "Dicycle"): (0.141, 22.86, 0.771),
}


@dataclass(frozen=True)
class Scale:
    """How large the experiment is.

    Attributes:
        people: trained on.
        tested: others, of ``TEST_SEED``.
        spacing_mm: of the volumes, isotropic.
        size: of each training.
        seeds: of weights and samples.
        registered: of those tested, how many outputs are registered, which takes seconds each.
        deformation_mm: root mean square of the displacement along each in-plane axis.
        wavelength_mm: its shortest wave.
        sampling: augmentation.
    """

    people: int
    tested: int
    spacing_mm: float
    size: Size
    seeds: tuple[int, ...] = (1,)
    registered: int = 8
    deformation_mm: float = 5.0
    wavelength_mm: float = 110.0
    sampling: tuple[tuple[str, Any], ...] = (("rotation_deg", 5.0), ("shear", 0.03), ("slack", 0.03))


SCALES = {
    "smoke": Scale(3, 2, 5.0, Size(32, 5.0, 10, 10, 4, 2), registered=1),
    "cpu": Scale(16, 8, 3.0, Size(64, 3.0, 4000, 2000, 16, 4, lr=7e-4, clip_norm=1), seeds=(1, 2)),
    "gpu": Scale(
        38,
        28,
        1.8,
        Size(128, 1.8, 450_000, 450_000, 64, 9, precision="bf16-mixed"),
        seeds=(1, 2, 3),
        registered=28,
        sampling=(("rotation_deg", 20.0), ("shear", 0.1), ("slack", 0.1), ("flip", 0.5)),
    ),
}


def run(scale: Scale, work: Path, *, workers: int = 1, report: Report | None = None) -> list[Table]:
    """Make the people, train, test, and put the tables together.

    Args:
        scale: how large.
        work: folder for people, runs and results; what lies there is not made again.
        workers: processes at a time.
        report: told (done, total, unit).
    """
    options = {
        "spacing_mm": scale.spacing_mm,
        "deformation_mm": scale.deformation_mm,
        "wavelength_mm": scale.wavelength_mm,
    }
    here = f"{__name__}:write_person"
    rooms = {
        name: write_cohort(
            work / name, here, seed=seed, first=0, count=count, workers=workers, report=report, **options
        )
        for name, seed, count in (
            ("people", TRAINING_SEED, scale.people),
            ("tested", TEST_SEED, scale.tested),
        )
    }
    tasks = [
        Task(
            f"{method.lower()}-{'deformed' if deformed else 'undeformed'}-{seed}",
            f"{__name__}:train_and_test",
            {
                "people": str(rooms["people"]),
                "tested": str(rooms["tested"]),
                "runs": str(work / "runs"),
                "method": method,
                "deformed": deformed,
                "seed": seed,
                "size": asdict(scale.size),
                "sampling": dict(scale.sampling),
                "registered": scale.registered,
            },
        )
        for seed in scale.seeds
        for deformed in (True, False)
        for method in METHODS
    ]
    found = run_tasks(tasks, work / "results", workers=workers, report=report)
    return tables(scale, {task.name: found[task.name] for task in tasks})


def write_person(
    folder: str, seed: int, index: int, spacing_mm: float, deformation_mm: float, wavelength_mm: float
) -> dict[str, Any]:
    """PD and T2 of one brain, as they are and deformed, noisy and clean, and where the brain is."""
    brain = make_brain(seed, index, spacing=(spacing_mm,) * 3)
    mask = np.isin(brain.files["labels"].array, BRAIN)  # type: ignore[union-attr]
    bend = deformation_of(deformation_mm, wavelength_mm)
    files: dict[str, Volume] = {}
    for name in ("pd", "t2"):
        for kind in ("", "_reference"):
            volume = brain.files[name + kind]
            assert isinstance(volume, Volume)
            image = within(volume, mask)
            files[name + kind] = image
            files[f"{name}_deformed{kind}"] = bend.of(image)
    where = brain.files["labels"].with_array(mask.astype(np.uint8))  # type: ignore[union-attr]
    files["brain"], files["brain_deformed"] = where, bend.of(where, order=0)
    write_subject(Path(folder), files, brain.parameters)
    return {}


def deformation_of(size_mm: float, wavelength_mm: float) -> Deformation:
    """The one deformation between the domains, within axial planes."""
    return Deformation.drawn(3, size_mm, wavelength_mm, axes=(0, 1))


def train_and_test(
    people: str, tested: str, runs: str, method: str, deformed: bool, seed: int, size: dict[str, Any],
    sampling: dict[str, Any], registered: int,
) -> dict[str, Any]:  # fmt: skip
    """One training, and each tested person's figures in both directions."""
    t2 = "t2_deformed" if deformed else "t2"
    name = f"{method.lower()}-{t2.replace('_', '-')}-{seed}"
    plain = recipe(
        METHODS[method], Size(**size), Path(people),
        domain("MR", "sub-*/pd.nii.gz", reference="pd_reference.nii.gz", percentiles=PERCENTILES),
        domain("MR", f"sub-*/{t2}.nii.gz", reference=f"{t2}_reference.nii.gz", percentiles=PERCENTILES),
        seed=seed, name=name, sampling=sampling,
    )  # fmt: skip
    bundles = trained(plain, Path(runs) / name)
    return {
        direction: [
            tested_person(bundles[key], folder, direction, deformed, number < registered)
            for number, folder in enumerate(sorted(Path(tested).glob("sub-*")))
        ]
        for direction, key in DIRECTIONS.items()
    }


def tested_person(
    bundle: Bundle, folder: Path, direction: str, deformed: bool, register: bool
) -> dict[str, float | None]:
    """MSE, PSNR and SSIM as the paper has them, and if wanted how far the output lies from its input."""
    bend = "_deformed" if deformed and direction == "T2 to PD" else ""
    source, target = ("pd", "t2") if direction == "PD to T2" else ("t2", "pd")
    scan = read_volume(folder / f"{source}{bend}.nii.gz").volume
    truth = read_volume(folder / f"{target}{bend}_reference.nii.gz").volume
    brain = read_volume(folder / f"brain{bend}.nii.gz").volume.array > 0
    output = Engine(bundle, "auto", "fp32").run(scan, planes=("axial",)).volume
    scaled, _ = Pipeline(steps=(Percentiles(lower=PERCENTILES[0], upper=PERCENTILES[1]),)).forward(truth)
    expected = (scaled + 1) * 500
    # The paper's images have mean 0 and standard deviation 1.
    mean, deviation = float(expected.mean()), float(expected.std())
    a, b = (output.array - mean) / deviation, (expected - mean) / deviation
    error = mse(a, b)
    found: dict[str, float | None] = {
        "mse": error,
        "psnr": float(10 * np.log10(b.max() ** 2 / error)),
        # Its first factor compares means, which says nothing where one of them is 0.
        "ssim": ssim_global(output.array, expected, data_range=1000),
        "ssim_brain": ssim_global(output.array, expected, data_range=1000, mask=brain),
    }
    if register:
        # The truth lies as the input does and has the output's contrast: a registration sees most there.
        found["voxels"] = _registered(output, truth, brain)
        found["voxels_input"] = _registered(output, scan, brain)
    return found


def _registered(output: Volume, reference: Volume, brain: np.ndarray) -> float | None:
    """How far the output lies from a reference in voxels; None where nothing can be registered."""
    try:
        return misalignment(output, reference, brain).total_voxels
    except InputError:
        return None


def tables(scale: Scale, found: dict[str, Any]) -> list[Table]:
    """The papers' two tables in one, with theirs beside ours, and the gates."""
    rows: list[tuple[Cell, ...]] = []
    pooled: dict[tuple[bool, str, str], dict[str, np.ndarray]] = {}
    # Mean over people of each training.
    trainings: dict[tuple[bool, str, str], list[dict[str, float | None]]] = {}
    for deformed in (False, True):
        for direction in DIRECTIONS:
            for method in METHODS:
                word = "deformed" if deformed else "undeformed"
                runs = [found[f"{method.lower()}-{word}-{seed}"][direction] for seed in scale.seeds]
                # One figure for each person: the mean over training seeds.
                people = [
                    {key: _mean([run[key] for run in same]) for key in same[0]}
                    for same in zip(*runs, strict=True)
                ]
                values = {
                    key: np.array([p[key] for p in people if p.get(key) is not None]) for key in people[0]
                }
                pooled[deformed, direction, method] = values
                trainings[deformed, direction, method] = [
                    {key: _mean([person[key] for person in run]) for key in ("psnr", "ssim")} for run in runs
                ]
                paper = PUBLISHED.get((deformed, direction, method), (None, None, None))
                cells: list[Cell] = []
                for key, published in zip(("mse", "psnr", "ssim"), paper, strict=True):
                    cells += [float(values[key].mean()), float(values[key].std(ddof=1)), published]
                rows.append(
                    (
                        word,
                        direction,
                        method,
                        *cells,
                        *(float(values[k].mean()) for k in ("ssim_brain", "voxels", "voxels_input")),
                    )
                )
    columns = [Column("T2"), Column("direction"), Column("method")]
    for name, digits in (("MSE", 3), ("PSNR", 2), ("SSIM", 3)):
        units = "dB" if name == "PSNR" else ""
        columns += [
            Column(name, units, digits),
            Column(f"± {name}", units, digits),
            Column(f"{name} in the paper", units, digits),
        ]
    columns.append(Column("SSIM in the brain", "", 3))
    columns += [Column("output against truth", "voxels", 2), Column("output against input", "voxels", 2)]
    note = (
        f"{scale.people} people of seed {TRAINING_SEED} trained on, {scale.tested} of seed {TEST_SEED} "
        f"tested, {scale.spacing_mm:g} mm; {scale.size.text}; training seeds "
        f"{', '.join(map(str, scale.seeds))}, and p over people, each the mean of the seeds. Deformation: "
        f"{scale.deformation_mm:g} mm root mean square along each axis of the axial plane. MSE and PSNR "
        "of images with mean 0 and deviation 1. Against truth: where the output lies against the true image, "
        "which lies as the input does; against the input itself contrasts differ, and even images that lie "
        "alike differ by some tenths of a voxel. "
        "Generators read noisy images, losses and discriminators see them without noise. Augmentation: "
        f"{', '.join(f'{key} {value:g}' for key, value in scale.sampling)}. SSIM has one window, the whole "
        "volume with its air, as published; where Cycle is above 0.83 a gain of 0.17 cannot be had."
    )
    return [
        Table("Brains, PD and T2, without pairs", tuple(columns), tuple(rows), (note, environment())),
        _gates(pooled, trainings),
    ]


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _gates(
    pooled: dict[tuple[bool, str, str], dict[str, np.ndarray]],
    trainings: dict[tuple[bool, str, str], list[dict[str, float | None]]],
) -> Table:
    rows: list[tuple[Cell, ...]] = []

    def certainty(deformed: bool, direction: str, key: str) -> tuple[Cell, Cell]:
        # Over people p; over trainings, the gain of each.
        cycle, dicycle = (pooled[deformed, direction, method][key] for method in METHODS)
        both = zip(*(trainings[deformed, direction, method] for method in METHODS), strict=True)
        gains = [float(other[key] or 0) - float(one[key] or 0) for one, other in both]
        return p_above_zero(dicycle - cycle), ", ".join(f"{gain:.2f}" for gain in gains)

    for direction in DIRECTIONS:
        cycle, dicycle = (pooled[True, direction, m] for m in METHODS)
        for key, name, least in (("psnr", "PSNR (dB)", 3.4), ("ssim", "SSIM", 0.17)):
            gain = float((dicycle[key] - cycle[key]).mean())
            rows.append(
                (f"deformed, {direction}: gain of Dicycle in {name}", gain, f"≥ {least}", gain >= least,
                 *certainty(True, direction, key))
            )  # fmt: skip
    for direction in DIRECTIONS:
        cycle, dicycle = (pooled[False, direction, m] for m in METHODS)
        loss = float((cycle["psnr"] - dicycle["psnr"]).mean())
        rows.append(
            (f"undeformed, {direction}: loss of Dicycle in PSNR (dB)", loss, "≤ 0.9", loss <= 0.9,
             *certainty(False, direction, "psnr"))
        )  # fmt: skip
    for key, name in (("voxels_input", "input"), ("voxels", "truth")):
        for direction in DIRECTIONS:
            for method in METHODS:
                voxels = float(pooled[True, direction, method][key].mean())
                wanted = "< 0.5" if method == "Dicycle" else "–"
                rows.append(
                    (f"deformed, {direction}: {method}'s output against its {name} (voxels)", voxels, wanted,
                     voxels < 0.5 if method == "Dicycle" else None, None, None)
                )  # fmt: skip
    return gate_table("Gates: paper 3", rows, (Column("gain of each training seed"),))
