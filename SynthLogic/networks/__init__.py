"""Networks by name. A card names a network of this register; nothing is ever imported from a bundle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from SynthLogic.errors import BundleError
from SynthLogic.networks.resnet_generator import ResnetGenerator

REGISTER: dict[str, Callable[..., nn.Module]] = {"resnet-generator": ResnetGenerator}


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
    try:
        return REGISTER[name](**arguments)
    except (TypeError, ValueError) as error:
        raise BundleError(
            f"Network {name!r} does not accept the card's arguments ({error}); correct the card."
        ) from error


__all__ = ["REGISTER", "ResnetGenerator", "build_network"]
