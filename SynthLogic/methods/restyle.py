"""Measure the styles of a painter on whole scans.

    python -m SynthLogic.methods.restyle BUNDLE RECIPE.yaml VERSION

A training gathers middle and spread of each style from single slices, changed as in training, while the
encoder still moves. But a style that is drawn stands for a scan. Here the encoder stands still, and each scan
of the training counts once, with the mean code of its slices, which the painter calls the style of a scan.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import cast

import torch

from SynthLogic.bundles import Bundle, rewrite_bundle
from SynthLogic.data import load_hearts
from SynthLogic.errors import ConfigError, SynthError
from SynthLogic.inference import Painter
from SynthLogic.methods.config import TrainConfig
from SynthLogic.methods.hearts import HeartConfig
from SynthLogic.methods.read import load_config
from SynthLogic.methods.styles import StyleBook
from SynthLogic.networks.spade_generator import SpadeGenerator


def restyle(folder: Path, config: TrainConfig, version: str) -> Bundle:
    """Write the bundle in ``folder`` again with styles measured on the data of its recipe.

    Args:
        folder: a bundle of the task "paint".
        config: the recipe that it was trained with, with its roots.
        version: of the new bundle.

    Raises:
        ConfigError: the recipe trains no painter, its data cannot be read, or it has other styles.
        BundleError: the bundle is not in order.
    """
    bundle = Bundle.open(folder)
    bundle.card.expect("paint")
    if not isinstance(config, HeartConfig):
        raise ConfigError(f"Method {config.method!r} trains no painter; give the recipe of the bundle.")
    painter = Painter(bundle, "cpu", "fp32")
    names = [style.name for style in config.data.styles]
    kept = [names.index(style.name) for style in bundle.card.styles if style.name in names]
    if len(kept) != len(bundle.card.styles):
        raise ConfigError("The bundle has styles that are not in the recipe; give the recipe of the bundle.")
    book = StyleBook(len(names), painter.length, memory=sys.maxsize)
    for stack in load_hearts(config.data, images=True, progress=print).stacks:
        assert stack.image is not None  # asked for
        inner = slice(config.data.margin, stack.labels.shape[1] - config.data.margin)
        code = painter.style_of(stack.image[:, inner, inner], stack.labels[:, inner, inner])
        book.take_in(torch.from_numpy(code)[None], torch.tensor([stack.style]))
    missing = [names[n] for n in kept if not book.seen[n]]
    if missing:
        raise ConfigError(
            f"No heart of the style {missing[0]!r} was read; name the folder of its scans (--root)."
        )
    for buffer in (book.means, book.products, book.seen):
        buffer.data = buffer[kept]
    network = cast(SpadeGenerator, bundle.load_network())
    book.write_into(network)
    styles = {name: network.get_buffer(name) for name in ("style_means", "style_spreads")}
    card = bundle.card.model_copy(update={"version": version})
    return rewrite_bundle(bundle, card, styles)


def main(arguments: list[str] | None = None) -> int:
    """From the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m SynthLogic.methods.restyle", description=__doc__)
    parser.add_argument("bundle", type=Path, help="folder of the bundle, which is written again")
    parser.add_argument("recipe", type=Path, help="YAML file that it was trained with")
    parser.add_argument("version", help="of the new bundle")
    parser.add_argument("--root", action="append", default=[], metavar="NAME=FOLDER", help="of data.roots")
    given = parser.parse_args(arguments)
    try:
        config = load_config(given.recipe).with_roots(dict(root.split("=", 1) for root in given.root))
        made = restyle(given.bundle, config, given.version)
    except SynthError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"Bundle: {made.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
