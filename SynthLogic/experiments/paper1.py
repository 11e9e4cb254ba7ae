"""Synthetic MR from CT with its myocardium, as training data (Chartsias et al. 2017, table 1).

CT and MR of different simulated people. Each CT is laid onto an MR by their heart labels and both are masked
to the common view; CycleGAN translates image and mask together; U-Nets that find the myocardium in MR are
trained on few real-class MR, on the CT made MR, and on both. Tested on MR of people that nothing has seen.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from SynthLogic.alignment import by_labels
from SynthLogic.benchmarks.cases import TEST_SEED, environment
from SynthLogic.benchmarks.gates import gate_table
from SynthLogic.bundles import Bundle
from SynthLogic.experiments.cohorts import write_cohort, write_subject
from SynthLogic.experiments.tasks import Report, Task, run_tasks
from SynthLogic.experiments.training import Size, domain, merged, recipe, segmenter_recipe, trained
from SynthLogic.inference import Engine, StructureFinder
from SynthLogic.phantoms import make_subject
from SynthLogic.phantoms.tissues import Label
from SynthLogic.review.metrics import dice
from SynthLogic.review.statistics import p_above_zero
from SynthLogic.review.tables import Cell, Column, Table
from SynthLogic.volume import Grid, Volume, read_volume, resample

MR_SEED, CT_SEED = 52, 51
# The seven structures of whole-heart label maps, and what the paper segments.
HEART = tuple(range(Label.LV_CAVITY, Label.PULMONARY_ARTERY + 1))
MYOCARDIUM = (int(Label.LV_MYOCARDIUM), int(Label.INFARCT))
PERCENTILES = (0.0, 99.0)
# A CT's window of soft tissue and contrast agent in [-1, 1]; the paper clips the top 1 % of values instead.
WINDOW = (-300.0, 700.0)
# Without these a discriminator soon knows the few slices by heart, and the MR no longer follow the CT.
_MOVED = {"rotation_deg": 15, "slack": 0.1, "field_of_view": 0.1}
# What each U-Net is trained on: real MR, synthetic MR, flipped.
WAYS: dict[str, tuple[bool, bool, bool]] = {
    "synthetic": (False, True, False),
    "real": (True, False, False),
    "real, augmented": (True, False, True),
    "real + synthetic": (True, True, False),
    "real, augmented + synthetic": (True, True, True),
}
# The paper's Dice, and relative to real alone.
PUBLISHED = {
    "synthetic": (0.580, 0.946),
    "real": (0.613, 1.000),
    "real, augmented": (0.676, 1.103),
    "real + synthetic": (0.704, 1.148),
    "real, augmented + synthetic": (0.712, 1.161),
}


@dataclass(frozen=True)
class Scale:
    """How large the experiment is.

    Attributes:
        ct: people with a CT in each split; the paper has 15.
        mr: people with an MR; the paper has 15.
        tested: unseen people with an MR, of ``TEST_SEED``, the same for all splits.
        side: voxels of a volume's side around the heart; the paper has 232.
        spacing_mm: of the volumes, isotropic.
        size: of the translation.
        unet: of each U-Net.
        held_out: share of the people that validate; None where there are too few, and trains to the end.
        splits: of training people.
    """

    ct: int
    mr: int
    tested: int
    side: int
    spacing_mm: float
    size: Size
    unet: Size
    held_out: float | None = None
    splits: int = 3


SCALES = {
    "smoke": Scale(
        2, 2, 2, 32, 6.0, Size(32, 6.0, 10, 10, 4, 1), Size(32, 6.0, 10, 0, 4, 2, batch=4, lr=2e-3), splits=1
    ),
    "cpu": Scale(
        15, 2, 12, 64, 3.0, Size(64, 3.0, 4000, 2000, 16, 4, lr=7e-4, clip_norm=1, skips=True),
        Size(64, 3.0, 900, 300, 12, 3, batch=16, lr=2e-3),
    ),
    "gpu": Scale(
        15, 15, 20, 232, 1.0, Size(232, 1.0, 80_000, 80_000, 64, 9, precision="bf16-mixed"),
        Size(232, 1.0, 6000, 2000, 32, 3, batch=16, lr=1e-3, precision="bf16-mixed"), 1 / 3,
    ),
}  # fmt: skip


def run(scale: Scale, work: Path, *, workers: int = 1, report: Report | None = None) -> list[Table]:
    """Make the people, train, test, and put the table together; see ``paper3.run``."""
    here = f"{__name__}:write_person"
    options = {"spacing_mm": scale.spacing_mm, "side": scale.side}
    for name, seed, count in (
        ("mr", MR_SEED, scale.mr * scale.splits),
        ("ct", CT_SEED, scale.ct * scale.splits),
        ("tested", TEST_SEED, scale.tested),
    ):
        modality = "ct" if name == "ct" else "mr"
        write_cohort(
            work / name, here, seed=seed, first=0, count=count, workers=workers, report=report,
            modality=modality, **options,
        )  # fmt: skip
    splits = [
        Task(
            f"translate-{split}", f"{__name__}:translate_split",
            {"work": str(work), "split": split, "ct": scale.ct, "mr": scale.mr, "size": asdict(scale.size)},
        )
        for split in range(scale.splits)
    ]  # fmt: skip
    run_tasks(splits, work / "results", workers=workers, report=report)
    tasks = [
        Task(
            f"unet-{split}-{number}", f"{__name__}:train_and_test",
            {
                "work": str(work), "split": split, "way": way, "mr": scale.mr,
                "unet": asdict(scale.unet), "held_out": scale.held_out,
            },
        )
        for split in range(scale.splits)
        for number, way in enumerate(WAYS)
    ]  # fmt: skip
    found = run_tasks(tasks, work / "results", workers=workers, report=report)
    return tables(scale, found)


def write_person(
    folder: str, seed: int, index: int, spacing_mm: float, side: int, modality: str
) -> dict[str, Any]:
    """One person's CT or MR around the heart, with labels."""
    extent = (side + 16) * spacing_mm
    shape = tuple(round(n / spacing_mm) for n in (max(extent, 240.0), max(extent, 280.0), max(extent, 340.0)))
    person = make_subject(seed, index, shape=(shape[0], shape[1], shape[2]), spacing=(spacing_mm,) * 3)
    ct = modality == "ct"
    image, labels = (person.ct, person.ct_labels) if ct else (person.mr, person.mr_labels)
    outside = -1024.0 if ct else 0.0
    grid = around_heart(labels, side)
    files = {
        modality: resample(image, grid, background=outside),
        "labels": resample(labels, grid, order=0),
    }
    write_subject(Path(folder), files, person.parameters)
    return {}


def around_heart(labels: Volume, side: int) -> Grid:
    """A grid of ``side`` voxels in the plane and the heart's slices, its middle that of the labels' box."""
    places = np.argwhere(np.isin(labels.array, HEART))
    low, high = places.min(0), places.max(0) + 1
    first = np.round((low + high) / 2 - side / 2).astype(int)
    first[0], count = low[0], int(high[0] - low[0])
    matrix = labels.ijk_to_ras.copy()
    matrix[:3, 3] = (labels.ijk_to_ras @ [*first[::-1], 1.0])[:3]
    return Grid((count, side, side), matrix)


def translate_split(work: str, split: int, ct: int, mr: int, size: dict[str, Any]) -> dict[str, float]:
    """Lay each CT onto an MR, train the translation, make an MR of every CT; mean Dice of the alignment."""
    room = Path(work)
    aligned, overlap = room / f"split-{split}", []
    fixed = [room / "mr" / f"sub-{split * mr + n + 1:04d}" for n in range(mr)]
    for number in range(ct):
        moving = room / "ct" / f"sub-{split * ct + number + 1:04d}"
        name = f"sub-{number + 1:04d}"
        # Each MR as often as it takes, but written once, masked to what its first CT sees.
        target = aligned / "mr" / name if number < mr else None
        overlap.append(_lay_onto(moving, fixed[number % mr], aligned / "ct" / name, target))
    bundles = trained(translation(aligned, split, Size(**size)), aligned / "run")
    engine = Engine(bundles["a_to_b"], "auto", "fp32")
    for folder in sorted((aligned / "ct").glob("sub-*")):
        scan, labels = (read_volume(folder / f"{name}.nii.gz").volume for name in ("ct", "labels"))
        made = engine.run(scan, planes=("axial",), labels=labels.array)
        assert made.labels is not None
        target = aligned / "made" / f"made-{folder.name}"
        write_subject(target, {"mr": made.volume, "labels": made.labels}, {"made": split, "of": folder.name})
    return {"dice": float(np.mean(overlap))}


def translation(aligned: Path, split: int, size: Size) -> dict[str, Any]:
    """The recipe of a split's translation of images with their myocardium."""
    ct = domain("CT", "ct/sub-*/ct.nii.gz", window=WINDOW, labels="labels.nii.gz")
    mr = domain("MR", "mr/sub-*/mr.nii.gz", percentiles=PERCENTILES, labels="labels.nii.gz")
    return recipe(
        "cyclegan-mask", size, aligned, ct, mr, seed=split, name=f"heart-{split}",
        data={"masks": {"myocardium": list(MYOCARDIUM)}}, sampling=_MOVED,
    )  # fmt: skip


def _lay_onto(moving: Path, fixed: Path, ct: Path, mr: Path | None) -> float:
    """Align a CT to an MR by labels; write both, the MR if wanted, masked to the common view; the Dice."""

    def heart_of(folder: Path) -> Volume:
        labels = read_volume(folder / "labels.nii.gz").volume
        return labels.with_array(np.where(np.isin(labels.array, (*HEART, *MYOCARDIUM)), labels.array, 0))

    scan, other = read_volume(fixed / "mr.nii.gz").volume, read_volume(moving / "ct.nii.gz").volume
    found = by_labels(
        scan, heart_of(fixed), other, heart_of(moving), fixed_background=0.0, moving_background=-1024.0
    )
    assert found.moved_labels is not None
    assert found.fixed_labels is not None
    account = {"from": moving.name, "onto": fixed.name}
    write_subject(ct, {"ct": found.moved, "labels": found.moved_labels}, account)
    if mr is not None:
        write_subject(mr, {"mr": found.fixed, "labels": found.fixed_labels}, account)
    return float(np.mean(list(found.dice_after.values())))


def train_and_test(
    work: str, split: int, way: str, mr: int, unet: dict[str, Any], held_out: float | None
) -> list[float]:
    """One U-Net: Dice of the myocardium of each tested person."""
    room = Path(work)
    real, synthetic, flipped = WAYS[way]
    options: dict[str, Any] = {
        "percentiles": PERCENTILES,
        "labels": "labels.nii.gz",
        "subject": r"(made-)?sub-\d+",
    }
    parts = []
    if real:
        people = f"{split * mr + 1}-{split * mr + mr}"
        parts.append(domain("MR", "mr/sub-*/mr.nii.gz", subjects=people, **options))
    if synthetic:
        parts.append(domain("MR", f"split-{split}/made/made-sub-*/mr.nii.gz", **options))
    name = f"unet-{split}-{list(WAYS).index(way)}"
    # Half of each, as in the paper, however few the real ones are.
    image = merged(parts, [1.0] * len(parts))
    plain = segmenter_recipe(
        Size(**unet), room, image, {"myocardium": MYOCARDIUM}, seed=split, name=name,
        held_out=held_out, sampling={"flip": 0.5 if flipped else 0.0},
    )  # fmt: skip
    (bundle,) = trained(plain, room / "runs" / name).values()
    return [tested_person(bundle, folder) for folder in sorted((room / "tested").glob("sub-*"))]


def tested_person(bundle: Bundle, folder: Path) -> float:
    """Dice of the myocardium."""
    scan, labels = (read_volume(folder / f"{name}.nii.gz").volume for name in ("mr", "labels"))
    found = StructureFinder(bundle, "auto", "fp32").find(scan, planes=("axial",)).labels.array
    return dice(found == 1, np.isin(labels.array, MYOCARDIUM))


def tables(scale: Scale, found: dict[str, Any]) -> list[Table]:
    """The paper's table beside ours, and the gates."""
    scores = {
        way: np.array([found[f"unet-{split}-{number}"] for split in range(scale.splits)])
        for number, way in enumerate(WAYS)
    }
    base = float(scores["real"].mean())
    rows: list[tuple[Cell, ...]] = []
    for way, values in scores.items():
        each = [float(v) for v in values.mean(1)]
        mean = float(values.mean())
        rows.append((way, *each, mean, mean / base, *PUBLISHED[way]))
    columns = (
        Column("trained on"),
        *(Column(f"split {n + 1}", "Dice", 3) for n in range(scale.splits)),
        Column("mean", "Dice", 3),
        Column("of real alone", "", 3),
        Column("mean in the paper", "Dice", 3),
        Column("of real alone in the paper", "", 3),
    )
    size, unet = scale.size, scale.unet
    end = "to their end" if scale.held_out is None else f"or until {scale.held_out:.0%} held out say stop"
    note = (
        f"A split has {scale.ct} CT and {scale.mr} MR people of seeds {CT_SEED} and {MR_SEED}; tested are "
        f"{scale.tested} MR people of seed {TEST_SEED}. Volumes of {scale.side} pixels of "
        f"{scale.spacing_mm:g} mm around the heart. Translation: {size.text}. U-Nets: "
        f"{unet.constant + unet.decay} iterations of {unet.batch}, {end}, {unet.features} features, "
        f"{unet.blocks} down-samplings. Augmented: half of the slices "
        "flipped. p: over the tested people, each by the mean of the splits."
    )
    return [
        Table(
            "Myocardium in MR: U-Nets trained on real and synthetic",
            columns,
            tuple(rows),
            (note, environment()),
        ),
        _gates(scores, base, scale.mr),
    ]


def _gates(scores: dict[str, np.ndarray], base: float, mr: int) -> Table:
    def relative(way: str) -> float:
        return float(scores[way].mean()) / base

    def gain(way: str, over: str) -> tuple[Cell, ...]:
        # One figure for each person: the mean over splits.
        people = (scores[way] - scores[over]).mean(0)
        return (f"{way} - {over} (Dice)", float(people.mean()), "> 0", bool(people.mean() > 0),
                p_above_zero(people))  # fmt: skip

    both, last = "real + synthetic", list(WAYS)[-1]
    highest = max(WAYS, key=relative)
    real = f"real of {mr} people"
    rows: list[tuple[Cell, ...]] = [
        (f"synthetic / {real}", relative("synthetic"), "≥ 0.946", relative("synthetic") >= 0.946,
         gain("synthetic", "real")[-1]),
        (f"real + synthetic / {real}", relative(both), "≥ 1.148", relative(both) >= 1.148,
         gain(both, "real")[-1]),
        gain("real, augmented", "real"),
        gain(both, "real, augmented"),
        gain(last, both),
        ("highest of all", highest, last, highest == last, None),
    ]  # fmt: skip
    return gate_table("Gates: paper 1", rows)
