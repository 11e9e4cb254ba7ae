"""How good: error inside the body on unseen subjects, beside a look-up table and a supervised network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from SynthLogic.benchmarks.cases import (
    DATA_RANGE,
    DIRECTIONS,
    TEST_SEED,
    TEST_SUBJECTS,
    Case,
    Report,
    case_of,
    environment,
    shipped,
    supervised,
    unseen_subjects,
)
from SynthLogic.bundles import Bundle, Card
from SynthLogic.inference import Engine
from SynthLogic.review.lookup import LookupTable
from SynthLogic.review.metrics import mae, psnr, ssim
from SynthLogic.review.structures import STRUCTURES, structure_dice
from SynthLogic.review.tables import Cell, Column, Table
from SynthLogic.volume import Volume

ONE_TABLE, OWN_TABLE = "look-up table, one for all", "look-up table, one for each subject"
SUPERVISED, UNPAIRED = "supervised, same generator", "unpaired"
# The unpaired bundle's MAE, in parts of that method's, at most.
GATES = {ONE_TABLE: 0.70, OWN_TABLE: 0.70, SUPERVISED: 1.50}


def figures(output: np.ndarray, case: Case, modality: str) -> dict[str, float]:
    """MAE, PSNR, SSIM inside the body, and Dice of each structure by threshold; ``output`` is (K, J, I)."""
    reference, width = case.reference.array, DATA_RANGE[modality]
    return {
        "MAE": mae(output, reference, case.body),
        "PSNR": psnr(output, reference, data_range=width, mask=case.body),
        "SSIM": ssim(output, reference, data_range=width, mask=case.body),
        **structure_dice(output, reference, case.body, modality),
    }


def _look_up(cases: list[Case], card: Card, pooled: bool) -> list[np.ndarray]:
    """Images of the best table for all subjects, or of the best one for each, on the normalised input."""
    inputs = [card.image_input.intensity.forward(case.input)[0] for case in cases]
    triples = [(x, case.reference.array, case.body) for x, case in zip(inputs, cases, strict=True)]
    tables = [LookupTable.fit(triples)] * len(cases) if pooled else [LookupTable.fit([t]) for t in triples]
    return [table.apply(x) for table, x in zip(tables, inputs, strict=True)]


def _perfect_labels(cases: list[Case]) -> list[np.ndarray]:
    """Each tissue at its median in the other subjects: all of the anatomy, nothing of this one's contrast.

    About what a method can hope for; the tables of one subject know that subject's contrast.
    """
    known = [(case.labels, case.reference.array, case.body) for case in cases]
    return [
        LookupTable.fit(known[:n] + known[n + 1 :]).apply(case.labels).astype(np.float32)
        for n, case in enumerate(cases)
    ]


def _network(bundle: Bundle, cases: list[Case], done: Callable[[], None]) -> list[np.ndarray]:
    engine = Engine(bundle)
    images = []
    for case in cases:
        images.append(engine.run(case.input).volume.array)
        done()
    return images


def quality_tables(report: Report, subjects: int = TEST_SUBJECTS) -> list[Table]:
    """One table per direction with the methods side by side, and one of the gates."""
    people = list(unseen_subjects(subjects))
    total, count = 2 * len(DIRECTIONS) * len(people), 0

    def done() -> None:
        nonlocal count
        count += 1
        report(count, total, "volumes")

    tables: list[Table] = []
    gates: list[tuple[Cell, ...]] = []
    for direction in DIRECTIONS:
        cases = [case_of(person, direction) for person in people]
        bundle, baseline = shipped(direction), supervised(direction)
        card = bundle.card
        modality, units = card.output.modality, card.output.units
        methods = {
            ONE_TABLE: _look_up(cases, card, pooled=True),
            OWN_TABLE: _look_up(cases, card, pooled=False),
            SUPERVISED: _network(baseline, cases, done),
            UNPAIRED: _network(bundle, cases, done),
        }
        if len(cases) > 1:
            methods["true labels, tissues as in the other subjects"] = _perfect_labels(cases)
        rows: list[tuple[Cell, ...]] = []
        error: dict[str, float] = {}
        for name, images in methods.items():
            measured = [figures(image, case, modality) for image, case in zip(images, cases, strict=True)]
            mean = {key: float(np.nanmean([m[key] for m in measured])) for key in measured[0]}
            spread = float(np.std([m["MAE"] for m in measured], ddof=1)) if len(measured) > 1 else None
            error[name] = mean["MAE"]
            shown = f"{name} ({card.name} {card.version})" if name == UNPAIRED else name
            rows.append((shown, mean["MAE"], spread, *(mean[key] for key in list(mean)[1:])))
        structures = tuple(Column(f"Dice {s.name}", "", 3) for s in STRUCTURES[modality])
        tables.append(
            Table(
                title=f"{card.input.modality} to {modality} on {len(people)} unseen simulated subjects",
                columns=(
                    Column("method"),
                    Column("MAE", units, 1),
                    Column("± between subjects", units, 1),
                    Column("PSNR", "dB", 2),
                    Column("SSIM", "", 3),
                    *structures,
                ),
                rows=tuple(rows),
                notes=(
                    f"Subjects: seed {TEST_SEED}, 0 to {len(people) - 1}. Inside the body, against the "
                    "simulator's noise-free image. Tables are fitted on the truth of these very subjects.",
                    environment(),
                ),
            )
        )
        for other, gate in GATES.items():
            ratio = error[UNPAIRED] / error[other]
            gates.append((f"{direction}: MAE / {other}", ratio, f"≤ {gate:.2f}", ratio <= gate))
    columns = (Column("gate"), Column("measured", "", 3), Column("wanted"), Column("reached"))
    return [*tables, Table(title="Quality gates", columns=columns, rows=tuple(gates))]


def card_figures(bundle: Bundle, direction: str, subjects: int = TEST_SUBJECTS) -> dict[str, float]:
    """Mean figures of ``bundle`` on the unseen subjects, for its card."""
    engine = Engine(bundle)
    measured = []
    for person in unseen_subjects(subjects):
        case = case_of(person, direction)
        image: Volume = engine.run(case.input).volume
        measured.append(figures(image.array, case, bundle.card.output.modality))
    return {key: float(np.nanmean([m[key] for m in measured])) for key in measured[0]}
