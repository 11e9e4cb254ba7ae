"""Do painted images obey their labels, look like their vendor, and train a segmentation network?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from SynthLogic.benchmarks.cases import TEST_SEED, Report, environment
from SynthLogic.benchmarks.gates import gate_table
from SynthLogic.benchmarks.heart_cases import PAINTER, VAE, Heart, shipped, simulated
from SynthLogic.benchmarks.segmenter import LABELS, Segmenter, Stack, VendorClassifier, grey
from SynthLogic.bundles import Bundle
from SynthLogic.errors import ConfigError
from SynthLogic.hearts import along_axis, between, positions, steps, to_short_axis
from SynthLogic.inference import LabelCodec, Painter
from SynthLogic.review.statistics import p_above_zero
from SynthLogic.review.tables import Cell, Column, Table
from SynthLogic.volume import read_volume

# The patients that the shipped bundles were trained on, and that a user of them may train on as well.
TRAINING_SEED, TRAINING_PATIENTS = 21, 160
VENDORS = ("a", "b")
ITERATIONS, FEW_ITERATIONS = 900, 800


@dataclass(frozen=True)
class Scale:
    """How large an experiment is; the defaults take half an hour on two cores.

    ``least_dice`` is what each U-Net must reach on its own training stacks for its figures to count.
    """

    teachers: int = 40
    tested: int = 20
    iterations: int = ITERATIONS
    splits: int = 3
    few: int = 6
    pairs: int = 15
    few_iterations: int = FEW_ITERATIONS
    least_dice: float = 0.5


def image_tables(report: Report, *, scale: Scale = Scale(), painter: Bundle | None = None) -> list[Table]:
    """Obedience, vendor, distance between sets, repeatability.

    Args:
        report: told (done, total, unit).
        scale: how large.
        painter: bundle instead of the one that ships.
    """
    brush = Painter(painter or shipped(PAINTER))
    taught = _hearts(scale.teachers, TRAINING_SEED)
    unseen = _hearts(scale.tested, TEST_SEED)
    report(1, 4, "parts")
    segmenter = Segmenter(
        [grey(_image(h)) for h in taught], [h.short_axis.labels for h in taught],
        iterations=scale.iterations, seed=1, augment=True, least_dice=scale.least_dice,
    )  # fmt: skip
    report(2, 4, "parts")
    classifier = VendorClassifier(
        [grey(_image(h)) for h in taught], [VENDORS.index(h.vendor) for h in taught],
        iterations=scale.iterations, seed=1,
    )  # fmt: skip
    report(3, 4, "parts")
    labels = [h.short_axis.labels for h in unseen]
    real = [grey(_image(h)) for h in unseen]
    rows: list[tuple[Cell, ...]] = []
    gates: list[tuple[Cell, ...]] = []
    on_real = segmenter.dice(real, labels)
    told_real = _told(classifier, real, [h.vendor for h in unseen])
    other = [grey(_image(h)) for h in _hearts(scale.tested, TEST_SEED, first=scale.tested)]
    rows.append(("held-out scans", float(on_real.mean()), None, told_real, _mmd(classifier, real, other)))
    for kind in ("middle of the vendor's style", "a style drawn for each heart"):
        drawn = kind.startswith("a ")
        made = [
            grey(
                brush.paint(
                    h.short_axis.labels, brush.style_named(f"vendor-{h.vendor}", n if drawn else None)
                )
            )
            for n, h in enumerate(unseen)
        ]
        found = segmenter.dice(made, labels)
        ratio = float(found.mean() / on_real.mean())
        told = _told(classifier, made, [h.vendor for h in unseen])
        rows.append((f"painted, {kind}", float(found.mean()), ratio, told, _mmd(classifier, made, other)))
        gates.append((f"Dice on painted / on held-out images, {kind}", ratio, "≥ 0.95", ratio >= 0.95))
        gates.append((f"vendor recognised, {kind} (%)", told, "≥ 95", told >= 95))
    style = brush.style_named("vendor-a", 7)
    again = Painter(painter or shipped(PAINTER))
    same = np.array_equal(
        brush.paint(labels[0], style), again.paint(labels[0], again.style_named("vendor-a", 7))
    )
    gates.append(("same labels and seed, same bits", same, "yes", bool(same)))
    report(4, 4, "parts")
    table = Table(
        f"Images painted from the labels of {len(unseen) // 2} unseen simulated patients",
        (
            Column("images"),
            Column("Dice of a U-Net trained on scans", "", 3),
            Column("of that on scans", "", 3),
            Column("vendor recognised", "% of slices", 1),
            Column("MMD² to other held-out scans", "x 1000", 2),
        ),
        tuple(rows),
        (
            f"Scans are those of the simulated vendors. U-Net and classifier: {len(taught)} stacks of seed "
            f"{TRAINING_SEED}, {scale.iterations} iterations. MMD² (unbiased, Gaussian kernel of median "
            "width) on the classifier's features; the first row is scans against scans.",
            environment(),
        ),
    )
    return [table, gate_table("Gates: images", gates)]


def use_tables(
    report: Report,
    *,
    scale: Scale = Scale(),
    painter: Bundle | None = None,
    codec: Bundle | None = None,
    real_data: Path | None = None,
) -> list[Table]:
    """U-Nets trained on few scans, on hearts between them, and on both.

    Args:
        report: told (done, total, unit).
        scale: how large.
        painter: bundle instead of the one that ships.
        codec: likewise.
        real_data: folder of the Sunnybrook scans, or None to leave them out.
    """
    brush, vae = Painter(painter or shipped(PAINTER)), LabelCodec(codec or shipped(VAE))
    unseen = _hearts(scale.tested, TEST_SEED)
    tests = [grey(_image(h)) for h in unseen], [h.short_axis.labels for h in unseen]
    sunnybrook = None if real_data is None else _sunnybrook(real_data)
    ways = ("scans", "scans, augmented", "synthetic", "synthetic, augmented", "scans + synthetic, augmented")
    scores: dict[str, list[np.ndarray]] = {way: [] for way in ways}
    outside: dict[str, list[np.ndarray]] = {way: [] for way in ways}
    total, done = scale.splits * len(ways), 0
    for split in range(scale.splits):
        patients = list(simulated(scale.few, seed=TRAINING_SEED, first=split * scale.few, images=True))
        few = [heart for patient in patients for heart in patient.values()]
        scans = [grey(_image(h)) for h in few], [h.short_axis.labels for h in few]
        made = synthetic(vae, brush, patients, scale.pairs, split)
        both = scans[0] * _share(scans[0], made[0]) + made[0], scans[1] * _share(scans[1], made[1]) + made[1]
        for way, (images, labels) in zip(ways, (scans, scans, made, made, both), strict=True):
            network = Segmenter(
                images, labels, iterations=scale.few_iterations, seed=split, augment="augmented" in way,
                least_dice=scale.least_dice,
            )  # fmt: skip
            scores[way].append(network.dice(*tests))
            if sunnybrook is not None:
                outside[way].append(network.dice(*sunnybrook, only=LABELS[:2]))
            done += 1
            report(done, total, "networks")
    return _use_tables(scores, outside if sunnybrook is not None else {}, scale, len(unseen))


def synthetic(
    codec: LabelCodec, painter: Painter, patients: Sequence[dict[str, Heart]], pairs: int, seed: int
) -> tuple[list[Stack], list[Stack]]:
    """Hearts between random pairs of patients, each painted in a style drawn for one of their vendors."""
    rng = np.random.default_rng([TEST_SEED, seed])
    images, labels = [], []
    for number in range(pairs):
        first, second = rng.choice(len(patients), 2, replace=False)
        phase = ("ed", "es")[number % 2]
        a, b = (patients[int(n)][phase].short_axis.labels for n in (first, second))
        z = [along_axis(codec.encode(s), positions(len(s)), positions(10)).astype(np.float32) for s in (a, b)]
        for t in steps(4):
            stack = codec.decode(between(z[0], z[1], float(t)))
            vendor = str(rng.choice(VENDORS))
            style = painter.style_named(f"vendor-{vendor}", int(rng.integers(2**31)))
            images.append(grey(painter.paint(stack, style)))
            labels.append(stack)
    return images, labels


def _share(scans: Sequence[Stack], made: Sequence[Stack]) -> int:
    """How often the scans are repeated, so that half of what a network sees is real."""
    return max(1, round(sum(map(len, made)) / max(sum(map(len, scans)), 1)))


def _hearts(patients: int, seed: int, first: int = 0) -> list[Heart]:
    found = simulated((patients + 1) // 2, seed=seed, first=first, images=True)
    return [heart for patient in found for heart in patient.values()]


def _image(heart: Heart) -> Stack:
    assert heart.image is not None
    return heart.image


def _told(classifier: VendorClassifier, stacks: Sequence[Stack], vendors: Sequence[str]) -> float:
    right = [
        classifier.seen(stack)[0] == VENDORS.index(vendor)
        for stack, vendor in zip(stacks, vendors, strict=True)
    ]
    return 100 * float(np.concatenate(right).mean())


def _mmd(classifier: VendorClassifier, one: Sequence[Stack], other: Sequence[Stack]) -> float:
    """Unbiased squared maximum mean discrepancy (Gretton et al. 2012, eq. 3) x 1000."""
    x, y = (np.concatenate([classifier.seen(s)[1] for s in stacks]).astype(float) for stacks in (one, other))
    together = np.concatenate([x, y])
    squared = ((together[:, None] - together[None]) ** 2).sum(-1)
    kernel = np.exp(-squared / np.median(squared[squared > 0]))
    n, m = len(x), len(y)
    within = (kernel[:n, :n].sum() - n) / (n * (n - 1)) + (kernel[n:, n:].sum() - m) / (m * (m - 1))
    return 1000 * float(within - 2 * kernel[:n, n:].mean())


def _sunnybrook(folder: Path) -> tuple[list[Stack], list[Stack]]:
    images, labels = [], []
    for path in sorted(folder.glob("cardiac_mr_sunnybrook/SC-HF-I-*_ED_label.nii.gz")):
        frame = to_short_axis(read_volume(path).volume)
        scan = read_volume(path.with_name(path.name.replace("_label", ""))).volume
        images.append(grey(frame.resample(scan)))
        labels.append(frame.labels)
    if not images:
        raise ConfigError(f"{folder} holds no Sunnybrook scans; name the folder that holds them.")
    return images, labels


def _use_tables(
    scores: dict[str, list[np.ndarray]], outside: dict[str, list[np.ndarray]], scale: Scale, stacks: int
) -> list[Table]:
    pooled = {way: np.concatenate(found) for way, found in scores.items()}
    base = pooled["scans"]
    alone = float(pooled["synthetic"].mean() / base.mean())
    plain, mixed = pooled["scans, augmented"], pooled["scans + synthetic, augmented"]
    p = p_above_zero(mixed - plain)
    gain = float((mixed - plain).mean())
    table = Table(
        f"U-Nets trained on {scale.few} patients: Dice on {stacks} unseen stacks",
        (
            Column("trained on"),
            Column("Dice", "", 3),
            Column("± between stacks", "", 3),
            Column("lowest split", "", 3),
            Column("of scans alone", "", 3),
            *((Column("Sunnybrook, cavity and wall", "Dice", 3),) if outside else ()),
        ),
        tuple(
            (
                way,
                float(found.mean()),
                float(found.std(ddof=1)),
                min(float(s.mean()) for s in scores[way]),
                float(found.mean() / base.mean()),
                *((float(np.concatenate(outside[way]).mean()),) if outside else ()),
            )
            for way, found in pooled.items()
        ),
        (
            f"{scale.splits} splits of {scale.few} patients of seed {TRAINING_SEED} (ED and ES); synthetic: "
            f"{scale.pairs} pairs of them x 4 steps, painted in drawn styles of both vendors. "
            f"{scale.few_iterations} iterations each. The painter has seen all patients of that seed. "
            "Sunnybrook: ED of three patients, none of whom these networks have seen; the styles are others.",
            environment(),
        ),
    )
    gates: list[tuple[Cell, ...]] = [
        ("synthetic alone / scans alone", alone, "≥ 0.95", alone >= 0.95),
        ("scans + synthetic - augmented scans (Dice)", gain, "> 0", gain > 0),
        ("p of that (Wilcoxon, one-sided, paired)", p, "< 0.05", p < 0.05),
    ]
    return [table, gate_table("Gates: use", gates)]


__all__ = ["Scale", "image_tables", "synthetic", "use_tables"]
