"""Measure the styles of a painter anew: ``python -m SynthLogic.methods.restyle BUNDLE RECIPE.yaml VERSION``.

A training gathers middle and spread of each style on its way, while the encoder still moves. Here the encoder
stands still: the training's own batches, changed as in training, are encoded with the bundle's weights.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file

from SynthLogic.bundles import Bundle, write_bundle
from SynthLogic.errors import ConfigError, SynthError
from SynthLogic.methods.config import TrainConfig
from SynthLogic.methods.hearts import HeartConfig
from SynthLogic.methods.read import load_config
from SynthLogic.methods.register import method_named
from SynthLogic.methods.styles import StyleBook
from SynthLogic.networks.spade_generator import SpadeGenerator

BATCHES = 1000


def restyle(folder: Path, config: TrainConfig, version: str, batches: int = BATCHES) -> Bundle:
    """Write the bundle in ``folder`` again with styles measured on the data of its recipe.

    Args:
        folder: a bundle of the task "paint".
        config: the recipe that it was trained with, with its roots.
        version: of the new bundle.
        batches: of the recipe's size.

    Raises:
        ConfigError: the recipe trains no painter, its data cannot be read, or it has other styles.
        BundleError: the bundle is not in order.
    """
    bundle = Bundle.open(folder)
    bundle.card.expect("paint")
    if not isinstance(config, HeartConfig):
        raise ConfigError(f"Method {config.method!r} trains no painter; give the recipe of the bundle.")
    painter = cast(SpadeGenerator, bundle.load_network())
    names = [style.name for style in config.data.styles]
    kept = [names.index(style.name) for style in bundle.card.styles if style.name in names]
    if len(kept) != len(bundle.card.styles):
        raise ConfigError("The bundle has styles that are not in the recipe; give the recipe of the bundle.")
    material = method_named(config.method).family.read(config, print)
    book = StyleBook(len(names), painter.style, memory=sys.maxsize)
    with torch.inference_mode():
        for number in range(batches):
            batch = material.stream.batch(number)
            codes, _ = painter.encode_style(batch["image"], batch["labels"])
            book.take_in(codes, batch["style"])
    missing = [names[n] for n in kept if not book.seen[n]]
    if missing:
        raise ConfigError(
            f"No heart of the style {missing[0]!r} was read; name the folder of its scans (--root)."
        )
    for buffer in (book.means, book.products, book.seen):
        buffer.data = buffer[kept]
    book.write_into(painter)
    state = load_file(bundle.folder / bundle.card.weights_path)
    state |= {name: painter.get_buffer(name).clone() for name in ("style_means", "style_spreads")}
    card = bundle.card.model_copy(update={"version": version})
    return write_bundle(folder, card, state, overwrite=True)


def main(arguments: list[str] | None = None) -> int:
    """From the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m SynthLogic.methods.restyle", description=__doc__)
    parser.add_argument("bundle", type=Path, help="folder of the bundle, which is written again")
    parser.add_argument("recipe", type=Path, help="YAML file that it was trained with")
    parser.add_argument("version", help="of the new bundle")
    parser.add_argument("--root", action="append", default=[], metavar="NAME=FOLDER", help="of data.roots")
    parser.add_argument("--batches", type=int, default=BATCHES)
    given = parser.parse_args(arguments)
    try:
        config = load_config(given.recipe).with_roots(dict(root.split("=", 1) for root in given.root))
        made = restyle(given.bundle, config, given.version, given.batches)
    except SynthError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"Bundle: {made.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
