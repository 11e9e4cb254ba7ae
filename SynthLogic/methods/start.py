"""Weights to begin with: fine-tuning of a bundle that exists, on other data or with other losses."""

from __future__ import annotations

from typing import Any

from SynthLogic.bundles import Ancestor, Bundle, find
from SynthLogic.errors import BundleError, ConfigError
from SynthLogic.methods.base import Method
from SynthLogic.methods.config import TrainConfig

# What a run's account says of its beginning.
ORIGIN = ("started_from", "inherited")


def begin_with(method: Method, config: TrainConfig) -> dict[str, Any]:
    """Load the weights of ``config.start_from`` into the method's networks.

    Returns:
        For the run's account: the bundles ("started_from"), and what they were trained on ("inherited").

    Raises:
        ConfigError: no such network or bundle, another architecture, or a restricted licence that the new
            bundle would not carry on.
    """
    parents = []
    for key, name in config.start_from.items():
        if key not in method.generators:
            known = ", ".join(sorted(method.generators))
            raise ConfigError(f"start_from names {key!r}, which this method does not train; it has {known}.")
        try:
            parent = find(name)
            weights = parent.load_network().state_dict()
        except BundleError as error:
            raise ConfigError(f"start_from.{key}: {error}") from error
        method.check_parent(key, parent.card)
        _same_licence(parent, config)
        try:
            method.generators[key].load_state_dict(weights)
        except RuntimeError as error:
            raise ConfigError(
                f"start_from.{key}: the network of {parent.name!r} is another one; take 'network' "
                f"({parent.card.network.name}) and its arguments from the bundle's card."
            ) from error
        method.mean[key].load_state_dict(weights)
        parents.append(parent)
    return {
        "started_from": [_ancestor(parent).model_dump(mode="json") for parent in parents],
        "inherited": [
            source.model_dump(mode="json") for parent in parents for source in parent.card.training.data
        ],
    }


def _ancestor(parent: Bundle) -> Ancestor:
    weights = parent.card.files[parent.card.weights_path]
    return Ancestor(name=parent.name, version=parent.version, weights=weights)


def _same_licence(parent: Bundle, config: TrainConfig) -> None:
    licence = parent.card.licence
    if licence.restricted and not config.licence.restricted:
        raise ConfigError(
            f"The weights of {parent.name!r} have a restricted licence ({licence.spdx}), which also holds "
            "for what is made of them; set 'licence' to it, with its notice."
        )
