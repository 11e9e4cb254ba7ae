"""Put measured figures on a bundle's card: ``python -m SynthLogic.benchmarks.release BUNDLE ct-to-mr``.

With ``--instead-of OLD`` the figures of the bundle that it replaces stand beside its own, measured in the
same run on the same subjects; a bundle that is not better is refused.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from SynthLogic.benchmarks.cases import DIRECTIONS, TEST_SEED, TEST_SUBJECTS, case_of, unseen_subjects
from SynthLogic.benchmarks.quality import card_figures
from SynthLogic.bundles import Bundle, Figure, rewrite_bundle
from SynthLogic.errors import BundleError, ConfigError, SynthError
from SynthLogic.inference import mean_difference
from SynthLogic.resources import resource_folder

_PRECISION_SUBJECTS = 3


def release(folder: Path, direction: str, instead_of: Path | None = None) -> Bundle:
    """Measure the bundle in ``folder`` on the unseen subjects and write it again with the figures.

    Both bundles are checked, weights and all, before anything is measured. LICENSE becomes the full text of
    the licence where it ships (``Resources/licences``), and stays as it is otherwise.

    The cost of bf16 is measured too, by the engine on a CPU.

    Args:
        folder: of the bundle.
        direction: "ct-to-mr" or "mr-to-ct".
        instead_of: folder of the bundle that it replaces, whose figures go onto the card too.

    Raises:
        ConfigError: the direction is unknown, or the mean absolute error is not lower than that of the bundle
            to be replaced; nothing is written.
        BundleError: a bundle is not in order, does not translate, or translates another way.
    """
    if direction not in DIRECTIONS:
        raise ConfigError(f"Direction {direction!r} is unknown: choose from {', '.join(DIRECTIONS)}.")
    bundle = _opened(folder, direction)
    old = None if instead_of is None else _opened(instead_of, direction)
    licence = _licence_of(bundle)
    figures = figures_of(bundle, direction)
    if old is not None:
        before = figures_of(old, direction)
        if figures[0].value >= before[0].value:
            raise ConfigError(
                f"{bundle.name} {bundle.version} is not better than {old.version} (MAE {figures[0].value:g}, "
                f"before {before[0].value:g}); keep {old.version}."
            )
        title = f", version {old.version}, which this one replaces"
        figures += tuple(figure.model_copy(update={"on": figure.on + title}) for figure in before)
    scans = [case_of(subject, direction).input for subject in unseen_subjects(_PRECISION_SUBJECTS)]
    bf16 = round(mean_difference(bundle, scans, "bf16"), 4)
    precision = bundle.card.precision.model_copy(update={"bf16_mean_difference": bf16})
    card = bundle.card.model_copy(update={"figures": figures, "precision": precision})
    return rewrite_bundle(bundle, card, licence=licence)


def _opened(folder: Path, direction: str) -> Bundle:
    """The bundle in ``folder``, all of it in order and made for ``direction``; raises as ``release`` does."""
    bundle = Bundle.open(folder)
    card = bundle.card
    card.expect("translate")
    if f"{card.input.modality}-to-{card.output.modality}".lower() != direction:
        raise BundleError(
            f"Bundle {bundle.name!r} makes {card.output.modality} from {card.input.modality}, so it has "
            f"no figures for {direction}; name another direction or bundle."
        )
    if not card.scan_alone:
        raise BundleError(
            f"Bundle {bundle.name!r} needs a label map beside the scan, which this benchmark does not give; "
            "choose one that translates scans alone."
        )
    bundle.verify()
    return bundle


def _licence_of(bundle: Bundle) -> str:
    """Full text of the bundle's licence where it ships, else what the bundle has in LICENSE."""
    full = resource_folder() / "licences" / f"{bundle.card.licence.spdx}.txt"
    text = full if full.is_file() else bundle.folder / "LICENSE"
    try:
        return text.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BundleError(
            f"LICENSE of {bundle.name!r} is no text in UTF-8; export the bundle again."
        ) from error


def figures_of(bundle: Bundle, direction: str) -> tuple[Figure, ...]:
    """The bundle's figures on the unseen subjects, MAE first."""
    units = {"MAE": bundle.card.output.units, "PSNR": "dB"}
    on = f"{TEST_SUBJECTS} unseen simulated subjects (seed {TEST_SEED}), inside the body, mean"
    return tuple(
        Figure(name=name if name in ("MAE", "PSNR", "SSIM") else f"Dice {name}", value=round(value, 4),
               units=units.get(name, ""), on=on)
        for name, value in card_figures(bundle, direction).items()
    )  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Release from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m SynthLogic.benchmarks.release", description="Put measured figures on a card."
    )
    parser.add_argument("bundle", type=Path, help="folder of the bundle")
    parser.add_argument("direction", help=" or ".join(DIRECTIONS))
    parser.add_argument("--instead-of", type=Path, metavar="OLD", help="bundle that it replaces")
    given = parser.parse_args(arguments)
    try:
        made = release(given.bundle, given.direction, given.instead_of)
    except SynthError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    for figure in made.card.figures:
        print(f"{figure.name:32} {figure.value:10.3f} {figure.units}  {figure.on}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
