"""Are hearts in between hearts? Reconstruction, plausibility, smoothness, and sizes between the parents'.

Compared with blending signed distance maps and with blending voxels, on the same pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from SynthLogic.benchmarks.cases import TEST_SEED, Report, environment
from SynthLogic.benchmarks.gates import gate_table
from SynthLogic.benchmarks.heart_cases import PATIENTS, VAE, Heart, real_labels, shipped, simulated
from SynthLogic.bundles import Bundle
from SynthLogic.hearts import (
    Extent,
    HeartLabel,
    Sizes,
    along_axis,
    between,
    dice,
    ejection_fraction,
    held_between,
    plausibility,
    positions,
    smoothness,
    steps,
    volumes_ml,
    wall_thickness_mm,
    without_islands,
)
from SynthLogic.hearts.baselines import blend_voxels, labels_of, signed_distances, spread
from SynthLogic.inference import LabelCodec
from SynthLogic.review.tables import Cell, Column, Table

PAIRS, STEPS, SLICES = 200, 8, 32
LINE, RAW, CIRCLE = "label VAE, straight", "label VAE, straight, as decoded", "label VAE, great circle"
WAYS = (LINE, RAW, CIRCLE, "signed distances", "voxels")
PHASES = ("ed", "es")
LABELS = (HeartLabel.LV_CAVITY, HeartLabel.MYOCARDIUM, HeartLabel.RV_CAVITY)
GATES = {"phantoms": 0.95, "real": 0.90}

Stack = np.ndarray


def shape_tables(
    report: Report, *, real_data: Path | None = None, pairs: int = PAIRS, patients: int = PATIENTS,
    bundle: Bundle | None = None,
) -> list[Table]:  # fmt: skip
    """Reconstruction, plausibility and gates.

    Args:
        report: told (done, total, unit).
        real_data: folder of the real scans, or None to leave them out.
        pairs: random pairs of patients.
        patients: unseen patients they are drawn from.
        bundle: instead of the one that ships.
    """
    codec = LabelCodec(bundle or shipped(VAE))
    people = list(simulated(patients))
    return [
        *reconstruction(codec, people, {} if real_data is None else real_labels(real_data)),
        *offspring(codec, people, pairs, report),
    ]


# -- reconstruction -----------------------------------------------------------------------------------------


def reconstruction(
    codec: LabelCodec, people: Sequence[dict[str, Heart]], real: dict[str, list[Heart]]
) -> list[Table]:
    """Dice of each structure after encoding and decoding, subject by subject; and its gates."""
    groups: list[tuple[str, str, list[Heart]]] = [
        (f"phantoms, {phase.upper()} (unseen)", "phantoms", [p[phase] for p in people]) for phase in PHASES
    ]
    groups += [(name, "real", hearts) for name, hearts in real.items()]
    rows: list[tuple[Cell, ...]] = []
    gates: list[tuple[Cell, ...]] = []
    for name, kind, hearts in groups:
        found = [dice(h.short_axis.labels, codec.decode(codec.encode(h.short_axis.labels))) for h in hearts]
        means = [_mean([f[label] for f in found]) for label in LABELS]
        worst = float(np.nanmin([[f[label] for label in LABELS] for f in found]))
        rows.append((name, len(hearts), *means, worst))
        low = float(np.nanmin(means))
        gates.append(
            (f"reconstruction, {name}: lowest mean Dice", low, f"≥ {GATES[kind]}", low >= GATES[kind])
        )
    columns = (
        Column("label maps"),
        Column("hearts", "", 0),
        *(Column(label.name.lower().replace("_", " "), "Dice", 3) for label in LABELS),
        Column("worst heart", "Dice", 3),
    )
    table = Table(
        "Hearts encoded and decoded",
        columns,
        tuple(rows),
        (f"Patients of seed {TEST_SEED}. biv-me without the right ventricle's wall.", environment()),
    )
    return [table, gate_table("Gates: reconstruction", gates)]


# -- offspring ----------------------------------------------------------------------------------------------


@dataclass
class _Tally:
    """What was found for one way of blending."""

    ringed: list[float] = field(default_factory=list)
    attached: list[float] = field(default_factory=list)
    clean: list[float] = field(default_factory=list)
    every: list[float] = field(default_factory=list)
    counted: int = 0
    smooth: list[float] = field(default_factory=list)
    inside: dict[str, list[bool]] = field(default_factory=dict)
    """Per measure and pair: whether every step lies between the two ends of the slider."""
    beyond: dict[str, list[float]] = field(default_factory=dict)
    """Per measure and pair: the largest excess beyond the nearer end, relative to the larger end."""


def offspring(
    codec: LabelCodec, people: Sequence[dict[str, Heart]], pairs: int, report: Report
) -> list[Table]:
    """Random pairs, steps between them, four ways to blend."""
    rng = np.random.default_rng(TEST_SEED)
    chosen = [tuple(rng.choice(len(people), 2, replace=False)) for _ in range(pairs)]
    tallies = {way: _Tally() for way in WAYS}
    cache: dict[str, _Parent] = {}
    for number, (first, second) in enumerate(chosen):
        a, b = people[int(first)], people[int(second)]
        measures: dict[str, list[list[dict[str, float]]]] = {way: [] for way in WAYS}
        for phase in PHASES:
            one, two = (_parent(codec, heart[phase], cache) for heart in (a, b))
            for way, stacks in _blends(codec, one, two).items():
                tally = tallies[way]
                _look(tally, np.concatenate(stacks[1:-1]), one, two)
                tally.smooth.append(smoothness(list(stacks)))
                walls = way == LINE and phase == "ed"
                measures[way].append(_sizes(stacks, one.extent, two.extent, walls))
        for way in WAYS:
            _between(tallies[way], measures[way])
        report(number + 1, pairs, "pairs")
    return _offspring_tables(tallies, pairs, len(people))


@dataclass(frozen=True, eq=False)
class _Parent:
    """One heart, brought to ``SLICES`` slices in each way."""

    latents: np.ndarray
    distances: np.ndarray
    voxels: np.ndarray
    has: dict[str, np.ndarray]
    extent: Extent


def _parent(codec: LabelCodec, heart: Heart, cache: dict[str, _Parent]) -> _Parent:
    if heart.name not in cache:
        labels = heart.short_axis.labels
        at, wanted = positions(len(labels)), positions(SLICES)
        z = along_axis(codec.encode(labels), at, wanted).astype(np.float32)
        # Distances blend linearly along the heart as latents do.
        maps = along_axis(np.moveaxis(signed_distances(labels), 1, 0), at, wanted)
        seen = plausibility(labels)
        place = wanted * (len(labels) - 1)
        low, high = np.floor(place + 1e-9).astype(int), np.ceil(place - 1e-9).astype(int)
        has = {
            name: good[low] & good[high]
            for name, good in (
                ("ringed", seen.ringed), ("attached", seen.rv_attached), ("clean", seen.no_islands),
                ("every", seen.plausible),
            )
        }  # fmt: skip
        voxels = spread(labels, wanted, blend_voxels)
        cache[heart.name] = _Parent(z, np.moveaxis(maps, 0, 1), voxels, has, heart.extent)
    return cache[heart.name]


def _blends(codec: LabelCodec, a: _Parent, b: _Parent) -> dict[str, Stack]:
    """By way: label stacks (steps and both ends, K, 128, 128)."""
    places = [0.0, *steps(STEPS).tolist(), 1.0]

    def drawn(path: str) -> tuple[Stack, Stack]:
        """As decoded, and as the program gives them."""
        drawings = [codec.draw(between(a.latents, b.latents, t, path)) for t in places]
        raw = np.stack([drawing.labels() for drawing in drawings])
        given = [without_islands(stack) for stack in raw]
        ends = [Sizes.of(given[n], extent.spacing(SLICES)) for n, extent in ((0, a.extent), (-1, b.extent))]
        for n, t in enumerate(places[1:-1], 1):
            given[n] = held_between(drawings[n], a.extent.between(b.extent, t).spacing(SLICES), *ends)
        return raw, np.stack(given)

    raw, line = drawn("line")
    return {
        LINE: line,
        RAW: raw,
        CIRCLE: drawn("circle")[1],
        "signed distances": np.stack([labels_of((1 - t) * a.distances + t * b.distances) for t in places]),
        "voxels": np.stack([blend_voxels(a.voxels, b.voxels, float(t)) for t in places]),
    }


def _look(tally: _Tally, slices: Stack, a: _Parent, b: _Parent) -> None:
    """Count slices where both parents have what is looked for."""
    found = plausibility(slices)
    for name, good in (
        ("ringed", found.ringed), ("attached", found.rv_attached), ("clean", found.no_islands),
        ("every", found.plausible),
    ):  # fmt: skip
        both = np.tile(a.has[name] & b.has[name], STEPS)
        getattr(tally, name).extend(good[both].astype(float).tolist())
        if name == "every":
            tally.counted += int(both.sum())


def _sizes(stacks: Stack, a: Extent, b: Extent, walls: bool) -> list[dict[str, float]]:
    """Volumes (ml), and the wall (mm) if wanted, of each heart on the way, ends included."""
    found = []
    for stack, t in zip(stacks, (0.0, *steps(STEPS), 1.0), strict=True):
        extent = a.between(b, float(t))
        volumes = volumes_ml(stack, extent.spacing(SLICES), rule="trapezoid")
        wall = wall_thickness_mm(stack, extent.pixel_mm).mean if walls else float("nan")
        found.append({**{label.name.lower(): volumes[label] for label in LABELS}, "wall": wall})
    return found


def _between(tally: _Tally, phases: list[list[dict[str, float]]]) -> None:
    ed, es = phases
    series = {f"{name} (ED)": [size[name] for size in ed] for name in ed[0]}
    series["ejection fraction"] = [
        ejection_fraction(d["lv_cavity"], s["lv_cavity"]) for d, s in zip(ed, es, strict=True)
    ]
    for name, values in series.items():
        low, high = min(values[0], values[-1]), max(values[0], values[-1])
        if np.isnan(values).all():
            continue
        excess = max(0.0, low - min(values), max(values) - high)
        tally.inside.setdefault(name, []).append(excess == 0)
        tally.beyond.setdefault(name, []).append(excess / max(abs(high), 1e-9))


def _offspring_tables(tallies: dict[str, _Tally], pairs: int, people: int) -> list[Table]:
    shapes = Table(
        f"Hearts between hearts: {pairs} random pairs x {STEPS} steps x {SLICES} slices, ED and ES",
        (
            Column("way"),
            Column("cavity in a closed ring", "%", 2),
            Column("right ventricle attached", "%", 2),
            Column("no islands", "%", 2),
            Column("all of it", "%", 2),
            Column("slices counted", "", 0),
            Column("largest / mean step, mean", "", 2),
            Column("pairs with ≤ 1.5", "%", 1),
        ),
        tuple(
            (
                way,
                *(_percent(v) for v in (t.ringed, t.attached, t.clean, t.every)),
                t.counted,
                float(np.mean(t.smooth)),
                _percent([s <= 1.5 for s in t.smooth]),
            )
            for way, t in tallies.items()
        ),
        (
            f"{people} unseen patients of seed {TEST_SEED}. A slice counts where both parents have it. A "
            "step is 1 - Dice of neighbours, ends included.",
            environment(),
        ),
    )
    names = list(next(iter(tallies.values())).inside)
    sizes = Table(
        "Sizes between the parents'",
        (Column("way"), *(Column(name, "% of pairs", 1) for name in names)),
        tuple((way, *(_percent(t.inside.get(name, [])) for name in names)) for way, t in tallies.items()),
        (
            "A pair counts if each of its steps lies between the two ends of the slider, without tolerance. "
            "Beyond them, where it happens, the label VAE's mean excess is "
            f"{_excess(tallies[LINE])} of the larger end.",
        ),
    )
    ours = tallies[LINE]
    gates: list[tuple[Cell, ...]] = []
    for name, values in (
        ("cavity in a closed ring", ours.ringed),
        ("right ventricle attached", ours.attached),
        ("no islands", ours.clean),
    ):
        gates.append((f"{name}: slices (%)", _percent(values), "≥ 99", _percent(values) >= 99))
    step = float(np.mean(ours.smooth))
    gates.append(("largest / mean step, mean of pairs", step, "≤ 1.5", step <= 1.5))
    even = _percent([s <= 1.5 for s in ours.smooth])
    gates.append(("largest / mean step ≤ 1.5: pairs (%)", even, "100", even == 100))
    for name in names:
        share = _percent(ours.inside[name])
        gates.append((f"{name} between the parents': pairs (%)", share, "≥ 95", share >= 95))
    return [shapes, sizes, gate_table("Gates: hearts between hearts", gates)]


def _excess(tally: _Tally) -> str:
    over = [e for values in tally.beyond.values() for e in values if e > 0]
    return f"{100 * float(np.mean(over)):.1f} %" if over else "0 %"


def _percent(values: Sequence[float]) -> float:
    return 100 * float(np.mean(values)) if len(values) else float("nan")


def _mean(values: Sequence[float]) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
