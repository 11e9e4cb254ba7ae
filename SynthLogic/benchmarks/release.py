"""Put measured figures on a bundle's card: ``python -m SynthLogic.benchmarks.release BUNDLE ct-to-mr``."""

from __future__ import annotations

import sys
from pathlib import Path

from SynthLogic.benchmarks.cases import DIRECTIONS, TEST_SEED, TEST_SUBJECTS, case_of, unseen_subjects
from SynthLogic.benchmarks.quality import card_figures
from SynthLogic.bundles import Bundle, Figure, rewrite_bundle
from SynthLogic.errors import ConfigError
from SynthLogic.inference import mean_difference
from SynthLogic.resources import resource_folder

_PRECISION_SUBJECTS = 3


def release(folder: Path, direction: str) -> Bundle:
    """Measure the bundle in ``folder`` on the unseen subjects and write it again with the figures.

    The cost of bf16 is measured too, by the engine on a CPU.

    Raises:
        ConfigError: ``direction`` is neither "ct-to-mr" nor "mr-to-ct".
        BundleError: the bundle is not in order.
    """
    if direction not in DIRECTIONS:
        raise ConfigError(f"Direction {direction!r} is unknown: choose from {', '.join(DIRECTIONS)}.")
    bundle = Bundle.open(folder)
    units = {"MAE": bundle.card.output.units, "PSNR": "dB"}
    on = f"{TEST_SUBJECTS} unseen simulated subjects (seed {TEST_SEED}), inside the body, mean"
    figures = tuple(
        Figure(name=name if name in ("MAE", "PSNR", "SSIM") else f"Dice {name}", value=round(value, 4),
               units=units.get(name, ""), on=on)
        for name, value in card_figures(bundle, direction).items()
    )  # fmt: skip
    scans = [case_of(subject, direction).input for subject in unseen_subjects(_PRECISION_SUBJECTS)]
    bf16 = round(mean_difference(bundle, scans, "bf16"), 4)
    precision = bundle.card.precision.model_copy(update={"bf16_mean_difference": bf16})
    card = bundle.card.model_copy(update={"figures": figures, "precision": precision})
    licence = (resource_folder() / "licences" / f"{card.licence.spdx}.txt").read_text(encoding="utf-8")
    return rewrite_bundle(bundle, card, licence=licence)


if __name__ == "__main__":
    made = release(Path(sys.argv[1]), sys.argv[2])
    for figure in made.card.figures:
        print(f"{figure.name:32} {figure.value:10.3f} {figure.units}")
