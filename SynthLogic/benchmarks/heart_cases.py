"""What the benchmarks of hearts measure on: unseen simulated patients, and real label maps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from SynthLogic.benchmarks.cases import TEST_SEED
from SynthLogic.bundles import Bundle
from SynthLogic.bundles.store import shipped_folder
from SynthLogic.hearts import Extent, ShortAxis, to_short_axis
from SynthLogic.hearts.rv_wall import without_rv_wall
from SynthLogic.phantoms.short_axis import PHASES, Examination
from SynthLogic.volume import Volume, read_volume

PATIENTS = 60
VAE, PAINTER = "heart-labels-vae", "heart-labels-to-mr"


@dataclass(frozen=True, eq=False)
class Heart:
    """One heart at one moment in the short-axis frame.

    Attributes:
        name: for tables; says nothing of a person.
        short_axis: labels (K, 128, 128), apex first.
        image: (K, 128, 128) float32 in the scan's own units, or None.
        vendor: of the scanner, or "".
    """

    name: str
    short_axis: ShortAxis
    image: np.ndarray | None = None
    vendor: str = ""

    @property
    def extent(self) -> Extent:
        """How large it is."""
        return Extent.of(self.short_axis)


def shipped(name: str) -> Bundle:
    """A bundle that ships."""
    return Bundle.open(shipped_folder() / name)


def simulated(
    count: int, *, seed: int = TEST_SEED, first: int = 0, images: bool = False, slices: str = "labelled"
) -> Iterator[dict[str, Heart]]:
    """Simulated patients ``first`` to ``first + count`` of a cohort: "ed" and "es" of each.

    Args:
        count: how many.
        seed: of the cohort; the shipped recipes train on others.
        first: index of the first.
        images: with their images, which take a second each.
        slices: "labelled", or "all" of the stack.
    """
    for index in range(first, first + count):
        exam = Examination.plan(seed, index)
        patient, frame = {}, None
        for phase in PHASES:
            # Both moments in the frame of the first, as one examination has one plan.
            frame = to_short_axis(Volume(exam.labels(phase), exam.ijk_to_ras), slices=slices, like=frame)
            image = frame.resample(Volume(exam.image(phase), exam.ijk_to_ras)) if images else None
            patient[phase] = Heart(f"{index}-{phase}", frame, image, exam.protocol.vendor)
        yield patient


def real_labels(folder: Path) -> dict[str, list[Heart]]:
    """Real label maps by origin; what training has seen and what not is in the names."""
    found: dict[str, list[Heart]] = {}
    for origin, pattern in (
        ("Sunnybrook I-1 and I-2, ED (trained on)", "cardiac_mr_sunnybrook/SC-HF-I-[12]_ED_label.nii.gz"),
        ("Sunnybrook I-4, ED (unseen)", "cardiac_mr_sunnybrook/SC-HF-I-4_ED_label.nii.gz"),
        ("biv-me, 25 moments (trained on)", "cardiac_mr_bivme/labels_iso1p5_25frames/*.nii.gz"),
    ):
        for path in sorted(folder.glob(pattern)):
            frame = to_short_axis(read_volume(path).volume)
            if "bivme" in pattern:
                frame = frame.with_labels(without_rv_wall(frame.labels))
            found.setdefault(origin, []).append(Heart(path.stem, frame))
    return found
