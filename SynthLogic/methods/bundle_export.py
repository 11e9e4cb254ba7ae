"""From a run, finished or not, to bundles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import Tensor

from SynthLogic.bundles import Card, write_bundle
from SynthLogic.errors import BundleError, ConfigError, OutputError
from SynthLogic.methods.base import Method
from SynthLogic.methods.config import TrainConfig
from SynthLogic.methods.family import Trained
from SynthLogic.methods.register import method_named
from SynthLogic.methods.run_folder import RunFolder
from SynthLogic.networks import build_network


def export_run(
    run_folder: str | Path,
    output_folder: str | Path,
    *,
    checkpoint: Path | None = None,
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """Write the bundles that the configuration names.

    The weights are the running mean of the checkpoint (the newest unless another is given).

    Returns:
        Folders of the bundles, ``OUTPUT/NAME``.

    Raises:
        OutputError: the run holds no checkpoint, or the output cannot be written.
        ConfigError: the configuration cannot make a card.
    """
    folder = RunFolder(run_folder)
    checkpoint = checkpoint or folder.newest_checkpoint()
    if checkpoint is None:
        raise OutputError(f"{folder.path} holds no checkpoint yet; wait for the first one.")
    config, account = folder.config(), folder.account()
    saved = folder.saved(checkpoint)
    inputs = folder.inputs()
    method = method_named(config.method)
    family = method.family
    written = []
    for key, text in config.exports().items():
        prefix = f"{method.exported(config, saved['run'])}.{key}."
        state = {k.removeprefix(prefix): v for k, v in saved["state_dict"].items() if k.startswith(prefix)}
        if not state:
            raise ConfigError(f"Method {config.method!r} trains no {key}; remove bundle {text.name!r}.")
        network = build_network(config.network.name, family.arguments(config)).eval()
        network.load_state_dict(state)
        card, state = _card(config, Trained(key, network, state, saved["run"], account, inputs))
        target = Path(output_folder) / text.name
        write_bundle(target, card, state, overwrite=overwrite)
        written.append(target)
    return tuple(written)


def check_cards(method: Method, account: dict[str, Any], pictures: dict[str, Tensor]) -> None:
    """Refuse, before anything is trained, a configuration that no card could be made of.

    Args:
        method: with its networks, trained or not.
        account: see ``RunFolder.write_account``.
        pictures: likewise.

    Raises:
        ConfigError: it cannot.
    """
    run = {"iteration": 1, "elapsed_s": 0.0, "method": method.method_state()}
    for key in method.config.exports():
        if key in method.mean:
            network = method.mean[key]
            _card(method.config, Trained(key, network, network.state_dict(), run, account, pictures))


def _card(config: TrainConfig, trained: Trained) -> tuple[Card, dict[str, Tensor]]:
    try:
        return method_named(config.method).family.card(config, trained)
    except (BundleError, ValueError) as error:
        name = config.exports()[trained.key].name
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            reason = f"{where}: {first['msg'].removeprefix('Value error, ')}" if where else first["msg"]
        else:
            reason = " ".join(str(error).split())
        raise ConfigError(
            f"The configuration cannot make a card for {name!r} ({reason}); correct it."
        ) from error
