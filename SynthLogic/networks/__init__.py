"""Networks by name. A card names a network of this register; nothing is ever imported from a bundle."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from SynthLogic.errors import BundleError

if TYPE_CHECKING:
    from torch import nn

# Paths, not classes: MONAI is imported only for a network that is MONAI's.
REGISTER: dict[str, str] = {
    "dicycle-generator": "SynthLogic.networks.dicycle_generator.DicycleGenerator",
    "label-vae": "SynthLogic.networks.label_vae.LabelVae",
    "resnet-generator": "SynthLogic.networks.resnet_generator.ResnetGenerator",
    "segresnet-generator": "SynthLogic.networks.segresnet_generator.SegResNetGenerator",
    "spade-generator": "SynthLogic.networks.spade_generator.SpadeGenerator",
    "unet-generator": "SynthLogic.networks.unet_generator.UNetGenerator",
    "unet-segmenter": "SynthLogic.networks.unet_generator.SegmentationUNet",
}


def build_network(name: str, arguments: dict[str, Any]) -> nn.Module:
    """Build the network ``name`` of the register with its keyword ``arguments``.

    Raises:
        BundleError: unknown name, or arguments the network does not take.
    """
    if name not in REGISTER:
        known = ", ".join(sorted(REGISTER))
        raise BundleError(
            f"Network {name!r} is unknown; this version knows {known}: update the program or the card."
        )
    module, _, kind = REGISTER[name].rpartition(".")
    network = getattr(importlib.import_module(module), kind)
    try:
        built: nn.Module = network(**arguments)
    except (TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        raise BundleError(
            f"Network {name!r} does not accept the card's arguments ({error}); correct the card."
        ) from error
    return built


__all__ = ["REGISTER", "build_network"]
