"""From a run, finished or not, to bundles: ``python -m SynthLogic.methods.export RUN_DIR OUT_DIR``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from SynthLogic.bundles import write_bundle
from SynthLogic.errors import BundleError, ConfigError, OutputError, SynthError
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
    try:
        saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise OutputError(f"Checkpoint {checkpoint.name} cannot be read; give an older one.") from error
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
        trained = Trained(key, network, state, saved["run"], account, inputs)
        try:
            card, state = family.card(config, trained)
        except (BundleError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ConfigError(f"The configuration cannot make a card for {text.name!r}: {reason}") from error
        target = Path(output_folder) / text.name
        write_bundle(target, card, state, overwrite=overwrite)
        written.append(target)
    return tuple(written)


def main(arguments: list[str] | None = None) -> int:
    """Export from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m SynthLogic.methods.export", description="Make bundles of a run."
    )
    parser.add_argument("run", help="folder of the run")
    parser.add_argument("output", help="folder for the bundles")
    parser.add_argument("--checkpoint", type=Path, help="instead of the newest")
    parser.add_argument("--overwrite", action="store_true", help="replace bundles that lie there")
    given = parser.parse_args(arguments)
    try:
        bundles = export_run(given.run, given.output, checkpoint=given.checkpoint, overwrite=given.overwrite)
    except SynthError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    print(*bundles, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
