"""Synthetic short-axis MR as the only training data, tested on real patients (after Chartsias et al. 2017).

Simulated hearts with their labels are translated to the look of two Sunnybrook patients, image and masks
together, and a U-Net is trained on what comes out. It is tested on the third patient, and stands beside a
U-Net that was trained on the simulated hearts as they are. Each of the three patients is left out once.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from SynthLogic.benchmarks.cases import environment
from SynthLogic.benchmarks.heart_cases import simulated
from SynthLogic.errors import ConfigError
from SynthLogic.experiments.cohorts import write_subject
from SynthLogic.experiments.tasks import Report, Task, run_tasks
from SynthLogic.experiments.training import Size, domain, merged, recipe, segmenter_recipe, trained
from SynthLogic.hearts import to_short_axis
from SynthLogic.inference import Engine, StructureFinder
from SynthLogic.review.metrics import dice
from SynthLogic.review.tables import Cell, Column, Table
from SynthLogic.volume import Volume, read_volume

HEART_SEED = 53
PIXEL_MM, SLICE_MM = 1.5, 8.0
STRUCTURES: dict[str, tuple[int, ...]] = {"cavity": (1,), "myocardium": (2,)}
PERCENTILES = (0.5, 99.5)
WAYS = ("simulated", "translated")
_PATTERN = "cardiac_mr_sunnybrook/SC-HF-I-*_ED_label.nii.gz"


@dataclass(frozen=True)
class Scale:
    """How large the experiment is.

    Attributes:
        hearts: simulated people, at end diastole and end systole each.
        size: of each translation.
        unet: of each U-Net.
        held_out: share of the hearts that validates.
    """

    hearts: int
    size: Size
    unet: Size
    held_out: float = 0.2


SCALES = {
    "smoke": Scale(2, Size(32, 4.5, 10, 0, 4, 1), Size(32, 4.5, 10, 0, 4, 2, batch=4, lr=2e-3), 0.5),
    "cpu": Scale(
        20, Size(96, 1.5, 2000, 1000, 16, 4, lr=7e-4, clip_norm=1, skips=True),
        Size(96, 1.5, 700, 300, 12, 3, batch=16, lr=2e-3),
    ),
    "gpu": Scale(
        80, Size(128, 1.5, 40_000, 40_000, 64, 9, precision="bf16-mixed"),
        Size(128, 1.5, 6000, 2000, 32, 3, batch=16, lr=1e-3, precision="bf16-mixed"),
    ),
}  # fmt: skip


def run(
    scale: Scale,
    work: Path,
    *,
    workers: int = 1,
    report: Report | None = None,
    real_data: Path | None = None,
) -> list[Table]:
    """Make the hearts, read the patients, train, test; see ``paper3.run``.

    Raises:
        ConfigError: no folder with the patients.
    """
    if real_data is None or len(sorted(real_data.glob(_PATTERN))) < 2:
        raise ConfigError(
            f"This experiment needs real patients ({_PATTERN}); name their folder with --real-data DIR."
        )
    makers = [
        Task("hearts", f"{__name__}:write_hearts", {"folder": str(work / "hearts"), "count": scale.hearts})
    ]
    patients = [path.name.split("_")[0] for path in sorted(real_data.glob(_PATTERN))]
    makers.append(
        Task("patients", f"{__name__}:write_patients", {"folder": str(work / "real"), "real": str(real_data)})
    )
    run_tasks(makers, work / "results", workers=workers, report=report)
    given = {"work": str(work), "unet": asdict(scale.unet), "held_out": scale.held_out}
    tasks = [Task("simulated", f"{__name__}:on_simulated", given)]
    tasks += [
        Task(
            f"translated-{patient}", f"{__name__}:on_translated",
            {**given, "left_out": patient, "patients": patients, "size": asdict(scale.size)},
        )
        for patient in patients
    ]  # fmt: skip
    found = run_tasks(tasks, work / "results", workers=workers, report=report)
    return tables(scale, patients, found)


def write_hearts(folder: str, count: int) -> dict[str, Any]:
    """Simulated short-axis stacks in the frame of the heart, with labels of cavity, myocardium and RV."""
    for number, patient in enumerate(simulated(count, seed=HEART_SEED, images=True), 1):
        for phase, heart in patient.items():
            assert heart.image is not None
            target = Path(folder) / f"sub-{number:04d}{phase}"
            _write(target, heart.image, heart.short_axis.labels, {"heart": number, "phase": phase})
    return {}


def write_patients(folder: str, real: str) -> dict[str, Any]:
    """The real patients in the same frame."""
    for path in sorted(Path(real).glob(_PATTERN)):
        frame = to_short_axis(read_volume(path).volume)
        scan = read_volume(path.with_name(path.name.replace("_label", ""))).volume
        name = path.name.split("_")[0]
        _write(Path(folder) / name, frame.resample(scan), frame.labels, {"patient": name})
    return {}


def _write(target: Path, image: np.ndarray, labels: np.ndarray, account: dict[str, Any]) -> None:
    matrix = np.diag([PIXEL_MM, PIXEL_MM, SLICE_MM, 1.0])
    files = {
        "mr": Volume(image.astype(np.float32), matrix),
        "labels": Volume(labels.astype(np.uint8), matrix),
    }
    write_subject(target, files, account)


def on_simulated(work: str, unet: dict[str, Any], held_out: float) -> dict[str, dict[str, float]]:
    """A U-Net on the simulated hearts as they are: each patient's Dice."""
    room = Path(work)
    return _tested(room, _unet(room, "hearts/sub-*/mr.nii.gz", Size(**unet), held_out, "unet-simulated"))


def on_translated(
    work: str, unet: dict[str, Any], held_out: float, left_out: str, patients: list[str], size: dict[str, Any]
) -> dict[str, dict[str, float]]:
    """A U-Net on hearts translated to the look of all patients but one: that one's Dice."""
    room = Path(work)
    options: dict[str, Any] = {"percentiles": PERCENTILES, "labels": "labels.nii.gz"}
    shown = [domain("MR", f"real/{name}/mr.nii.gz", subject=name, **options) for name in patients]
    others = [part for part, name in zip(shown, patients, strict=True) if name != left_out]
    plain = recipe(
        "cyclegan-mask", Size(**size), room, domain("MR", "hearts/sub-*/mr.nii.gz", **options),
        merged(others, [1.0] * len(others)), seed=1, name=f"without-{left_out.lower()}",
        sampling={"rotation_deg": 10, "slack": 0.05},
        data={"masks": {name: list(values) for name, values in STRUCTURES.items()}},
    )  # fmt: skip
    bundles = trained(plain, room / "runs" / f"without-{left_out}")
    engine = Engine(bundles["a_to_b"], "auto", "fp32")
    for source in sorted((room / "hearts").glob("sub-*")):
        scan, labels = (read_volume(source / f"{name}.nii.gz").volume for name in ("mr", "labels"))
        known = np.where(np.isin(labels.array, (1, 2)), labels.array, 0)
        made = engine.run(scan, planes=("axial",), labels=known)
        assert made.labels is not None
        write_subject(
            room / f"made-{left_out}" / source.name,
            {"mr": made.volume, "labels": made.labels},
            {"of": source.name},
        )
    bundle = _unet(
        room, f"made-{left_out}/sub-*/mr.nii.gz", Size(**unet), held_out, f"unet-{left_out.lower()}"
    )
    return _tested(room, bundle, left_out)


def _unet(room: Path, glob: str, size: Size, held_out: float, name: str) -> Any:
    # One heart's two moments are one person, who is on one side.
    image = domain(
        "MR", glob, percentiles=PERCENTILES, labels="labels.nii.gz", subject=r"sub-\d+",
        corruptions=(
            {"kind": "gamma", "exponent": [0.7, 1.4], "probability": 0.5},
            {"kind": "bias-field", "strength": [0.0, 0.3], "probability": 0.5},
            {"kind": "rician-noise", "sigma": [0.0, 0.05], "probability": 0.5},
        ),
    )  # fmt: skip
    plain = segmenter_recipe(
        size, room, image, STRUCTURES, seed=1, name=name, held_out=held_out,
        sampling={"rotation_deg": 30, "slack": 0.1, "flip": 0.5},
    )  # fmt: skip
    (bundle,) = trained(plain, room / "runs" / name).values()
    return bundle


def _tested(room: Path, bundle: Any, only: str | None = None) -> dict[str, dict[str, float]]:
    finder, found = StructureFinder(bundle, "auto", "fp32"), {}
    for folder in sorted((room / "real").iterdir()):
        if only in (None, folder.name):
            scan, labels = (read_volume(folder / f"{name}.nii.gz").volume for name in ("mr", "labels"))
            labelled = finder.find(scan, planes=("axial",)).labels.array
            found[folder.name] = {
                name: dice(labelled == value, np.isin(labels.array, values))
                for value, (name, values) in enumerate(STRUCTURES.items(), 1)
            }
    return found


def tables(scale: Scale, patients: list[str], found: dict[str, Any]) -> list[Table]:
    """Dice of each patient, trained with and without translation."""
    rows: list[tuple[Cell, ...]] = []
    for way in WAYS:
        scores = [
            (found["simulated"] if way == "simulated" else found[f"translated-{patient}"])[patient]
            for patient in patients
        ]
        for name in STRUCTURES:
            values = [float(score[name]) for score in scores]
            rows.append((way, name, *values, float(np.mean(values))))
    columns = (
        Column("hearts trained on"),
        Column("structure"),
        *(Column(patient, "Dice", 3) for patient in patients),
        Column("mean", "Dice", 3),
    )
    unet = scale.unet
    note = (
        f"{2 * scale.hearts} simulated stacks of seed {HEART_SEED}; real are patients of the Sunnybrook "
        "Cardiac MR Database (CC0) at end diastole, each tested by a U-Net whose translation has not seen "
        f"it. Translation: {scale.size.text}. U-Nets: up to {unet.constant + unet.decay} iterations of "
        f"{unet.batch}, {unet.features} features, {unet.blocks} down-samplings. No real label was trained on "
        "but those of the other patients, as masks of the translation."
    )
    title = "Sunnybrook patients: U-Nets that never saw a scan"
    return [Table(title, columns, tuple(rows), (note, environment()))]
