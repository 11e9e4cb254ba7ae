"""Training methods by name."""

from __future__ import annotations

from SynthLogic.errors import ConfigError
from SynthLogic.methods.base import Method
from SynthLogic.methods.cyclegan import CycleGan, GradientConsistentCycleGan, MaskedCycleGan
from SynthLogic.methods.dicyclegan import DicycleGan
from SynthLogic.methods.label_vae import LabelVaeMethod
from SynthLogic.methods.pix2pix import Pix2Pix
from SynthLogic.methods.spade import Spade
from SynthLogic.methods.supervised import Supervised
from SynthLogic.methods.unet import UNetMethod

METHODS: dict[str, type[Method]] = {
    "cyclegan": CycleGan,
    "cyclegan-gc": GradientConsistentCycleGan,
    "cyclegan-mask": MaskedCycleGan,
    "dicyclegan": DicycleGan,
    "label-vae": LabelVaeMethod,
    "pix2pix": Pix2Pix,
    "spade": Spade,
    "supervised": Supervised,
    "unet": UNetMethod,
}


def method_named(name: object) -> type[Method]:
    """The method ``name``; ConfigError if there is none."""
    if not isinstance(name, str) or name not in METHODS:
        known = ", ".join(sorted(METHODS))
        raise ConfigError(f"Method {name!r} is unknown; this version knows {known}: correct 'method'.")
    return METHODS[name]
