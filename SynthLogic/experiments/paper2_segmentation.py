"""Structures of the hip found in MR by a U-Net that has seen labelled CT alone (Hiasa et al. 2018).

A U-Net with two channels is trained on CT and the MR made of it, and tested on MR and the CT made of it. How
well that works says how well the translation keeps structures. The last row is a U-Net trained on labelled
MR. The translations are those of ``paper2``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from SynthLogic.benchmarks.cases import TEST_SEED, environment
from SynthLogic.benchmarks.gates import gate_table
from SynthLogic.experiments import paper2
from SynthLogic.experiments.cohorts import write_subject
from SynthLogic.experiments.tasks import Report, Task, run_tasks
from SynthLogic.experiments.training import Size, domain, segmenter_recipe, trained
from SynthLogic.inference import Engine, StructureFinder
from SynthLogic.phantoms.hip_tissues import FEMUR, PELVIS, HipLabel
from SynthLogic.review.metrics import dice
from SynthLogic.review.statistics import p_above_zero
from SynthLogic.review.tables import Cell, Column, Table
from SynthLogic.volume import read_volume

STRUCTURES: dict[str, tuple[int, ...]] = {
    "pelvis": tuple(map(int, PELVIS)),
    "femur": tuple(map(int, FEMUR)),
    "gluteus medius": (int(HipLabel.GLUTEUS_MEDIUS),),
    "gluteus minimus": (int(HipLabel.GLUTEUS_MINIMUS),),
}
ON_MR = "labelled MR"
# The paper's Dice with more than 300 volumes and GC, and trained on real MR labels.
PUBLISHED = {
    ("many", "GC, published"): (0.808, 0.883, 0.804, 0.669),
    ("", ON_MR): (0.815, 0.921, 0.825, 0.752),
}


@dataclass(frozen=True)
class Scale:
    """How large the experiment is.

    Attributes:
        translation: the scale of ``paper2`` whose trainings it takes.
        labelled: people with a labelled CT; and with a labelled MR for the row below.
        unet: of each U-Net.
        held_out: share of them that validates.
    """

    translation: paper2.Scale
    labelled: int
    unet: Size
    held_out: float = 0.2


SCALES = {
    "smoke": Scale(paper2.SCALES["smoke"], 2, Size(32, 8.0, 10, 0, 4, 2, batch=4, lr=2e-3), 0.5),
    "cpu": Scale(paper2.SCALES["cpu"], 20, Size(80, 4.0, 900, 300, 12, 3, batch=8, lr=2e-3)),
    "gpu": Scale(
        paper2.SCALES["gpu"], 20, Size(256, 1.25, 60_000, 40_000, 32, 4, lr=1e-4, precision="bf16-mixed")
    ),
}


def run(scale: Scale, work: Path, *, workers: int = 1, report: Report | None = None) -> list[Table]:
    """Train what ``paper2`` has not yet, then the U-Nets; see ``paper3.run``.

    The folder is that of ``paper2``.
    """
    paper2.run(scale.translation, work, workers=workers, report=report)
    given = {
        "work": str(work),
        "labelled": scale.labelled,
        "unet": asdict(scale.unet),
        "held_out": scale.held_out,
    }
    seed = scale.translation.seeds[0]
    translation = {"seed": seed, "size": asdict(scale.translation.size)}
    tasks = [
        Task(
            f"unet-{amount}-{paper2.word(way)}", f"{__name__}:train_and_test",
            {**given, **translation, "volumes": volumes, "way": way},
        )
        for amount, volumes in (("few", scale.translation.few), ("many", scale.translation.many))
        for way in paper2.WAYS
    ]  # fmt: skip
    tasks.append(
        Task("unet-mr", f"{__name__}:on_labelled_mr", {**given, "spacing_mm": scale.translation.spacing_mm})
    )
    found = run_tasks(tasks, work / "results", workers=workers, report=report)
    return tables(scale, found)


def train_and_test(
    work: str, labelled: int, unet: dict[str, Any], held_out: float, seed: int, size: dict[str, Any],
    volumes: int, way: str,
) -> list[dict[str, float]]:  # fmt: skip
    """One U-Net on CT and the MR made of it: each tested person's Dice."""
    room = Path(work)
    plain, folder = paper2.training(room, volumes, way, seed, Size(**size))
    bundles = trained(plain, folder)
    engines = {direction: Engine(bundle, "auto", "fp32") for direction, bundle in bundles.items()}
    made = room / "made" / folder.name
    for source in sorted((room / "ct").glob("sub-*"))[:labelled]:
        files = {name: read_volume(source / f"{name}.nii.gz").volume for name in ("ct", "labels")}
        files["mr"] = engines["b_to_a"].run(files["ct"], planes=("coronal",)).volume
        write_subject(made / source.name, files, {"made": folder.name, "of": source.name})
    recipe = segmenter_recipe(
        Size(**unet), made,
        domain("CT", "sub-*/ct.nii.gz", window=paper2.WINDOW, labels="labels.nii.gz"), STRUCTURES,
        second=domain("MR", "sub-*/mr.nii.gz"), seed=seed, name=f"unet-{folder.name}", held_out=held_out,
        sampling={"planes": {"coronal": 1.0}},
    )  # fmt: skip
    (bundle,) = trained(recipe, room / "runs" / f"unet-{folder.name}").values()
    finder, found = StructureFinder(bundle, "auto", "fp32"), []
    for person in sorted((room / "tested").glob("sub-*")):
        mr = read_volume(person / "mr.nii.gz").volume
        made_ct = engines["a_to_b"].run(mr, planes=("coronal",)).volume
        found.append(_dice(finder.find(made_ct, mr, planes=("coronal",)).labels.array, person))
    return found


def on_labelled_mr(
    work: str, labelled: int, unet: dict[str, Any], held_out: float, spacing_mm: float
) -> list[dict[str, float]]:
    """A U-Net on MR with labels of its own."""
    room = Path(work)
    image = domain("MR", "mr/sub-*/mr.nii.gz", subjects=f"1-{labelled}", labels="labels.nii.gz")
    recipe = segmenter_recipe(
        Size(**unet), room, image, STRUCTURES, seed=1, name="unet-on-mr", held_out=held_out,
        sampling={"planes": {"coronal": 1.0}},
    )  # fmt: skip
    (bundle,) = trained(recipe, room / "runs" / "unet-on-mr").values()
    finder = StructureFinder(bundle, "auto", "fp32")
    return [
        _dice(finder.find(read_volume(person / "mr.nii.gz").volume, planes=("coronal",)).labels.array, person)
        for person in sorted((room / "tested").glob("sub-*"))
    ]


def _dice(found: np.ndarray, person: Path) -> dict[str, float]:
    truth = read_volume(person / "labels.nii.gz").volume.array
    return {
        name: dice(found == value, np.isin(truth, values))
        for value, (name, values) in enumerate(STRUCTURES.items(), 1)
    }


def tables(scale: Scale, found: dict[str, Any]) -> list[Table]:
    """Dice of each structure, with the paper's beside it."""
    rows: list[tuple[Cell, ...]] = []
    pooled: dict[tuple[str, str], np.ndarray] = {}
    names = list(STRUCTURES)
    amounts = {"few": scale.translation.few, "many": scale.translation.many}
    keys = [(amount, way) for amount in amounts for way in paper2.WAYS]
    for amount, way in [*keys, ("", ON_MR)]:
        people = found[f"unet-{amount}-{paper2.word(way)}" if amount else "unet-mr"]
        values = np.array([[person[name] for name in names] for person in people])
        pooled[amount, way] = values.mean(1)
        paper = PUBLISHED.get((amount, way), (None,) * len(names))
        cells: list[Cell] = []
        for column, published in zip(values.T, paper, strict=True):
            cells += [float(column.mean()), published]
        rows.append((amounts.get(amount), way, *cells, float(values.mean())))
    columns = [Column("volumes of each", "", 0), Column("translation")]
    for name in names:
        columns += [Column(name, "Dice", 3), Column(f"{name} in the paper", "Dice", 3)]
    columns.append(Column("mean", "Dice", 3))
    unet = scale.unet
    note = (
        f"U-Nets on {scale.labelled} labelled CT and the MR made of them, tested on "
        f"{scale.translation.tested} MR of seed {TEST_SEED} and the CT made of them; up to "
        f"{unet.constant + unet.decay} iterations of {unet.batch}, {unet.features} features, {unet.blocks} "
        f"down-samplings, stopped early on the {scale.held_out:.0%} held out. Translations of training seed "
        f"{scale.translation.seeds[0]}."
    )
    comparisons: list[tuple[Cell, ...]] = []
    for amount, volumes in amounts.items():
        for way in list(paper2.WAYS)[1:]:
            gain = pooled[amount, way] - pooled[amount, "without GC"]
            comparisons.append(
                (f"{volumes} volumes, {way}: change of mean Dice", float(gain.mean()), "> 0",
                 float(gain.mean()) > 0, p_above_zero(gain))
            )  # fmt: skip
    table = Table(
        "Hip structures in MR from labels of CT", tuple(columns), tuple(rows), (note, environment())
    )
    return [table, gate_table("Gates: paper 2, segmentation", comparisons)]
