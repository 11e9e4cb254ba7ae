"""Training methods by name."""

from __future__ import annotations

from SynthLogic.errors import ConfigError
from SynthLogic.methods.base import Method
from SynthLogic.methods.cyclegan import CycleGan
from SynthLogic.methods.supervised import Supervised

METHODS: dict[str, type[Method]] = {"cyclegan": CycleGan, "supervised": Supervised}


def method_named(name: str) -> type[Method]:
    """The method ``name``; ConfigError if there is none."""
    if name not in METHODS:
        known = ", ".join(sorted(METHODS))
        raise ConfigError(f"Method {name!r} is unknown; this version knows {known}: correct 'method'.")
    return METHODS[name]
