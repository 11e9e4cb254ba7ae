"""From a run, finished or not, to bundles: ``python -m SynthLogic.methods.export RUN_DIR OUT_DIR``."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from SynthLogic.bundles import (
    Card,
    Channel,
    Coverage,
    DataSource,
    Licence,
    NetworkSpec,
    Plane,
    Precision,
    Spatial,
    Training,
    write_bundle,
)
from SynthLogic.data import DomainConfig, SamplingConfig
from SynthLogic.errors import BundleError, ConfigError, OutputError, SynthError
from SynthLogic.methods.config import Direction, TrainConfig
from SynthLogic.methods.run_folder import RunFolder
from SynthLogic.networks import build_network

# Low precision is worth its speed while it stays within this share of the output range (1.9 HU of 2524).
_TOLERANCE = 0.00075


def export_run(
    run_folder: str | Path,
    output_folder: str | Path,
    *,
    checkpoint: Path | None = None,
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """Write one bundle for each direction that the configuration names.

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
    written = []
    for direction, text in config.bundles.items():
        prefix = f"mean.{direction}." if config.ema_decay > 0 else f"generators.{direction}."
        state = {k.removeprefix(prefix): v for k, v in saved["state_dict"].items() if k.startswith(prefix)}
        if not state:
            raise ConfigError(f"Method {config.method!r} trains no {direction}; remove bundle {text.name!r}.")
        network = build_network(config.network.name, config.network.arguments).eval()
        network.load_state_dict(state)
        difference = _bf16_difference(network, inputs[f"{direction[0]}_input"])
        card = _card(config, account, direction, saved["run"], difference, getattr(network, "divisor", 1))
        target = Path(output_folder) / text.name
        write_bundle(target, card, state, overwrite=overwrite)
        written.append(target)
    return tuple(written)


def _card(
    config: TrainConfig,
    account: dict[str, Any],
    direction: Direction,
    run: dict[str, Any],
    bf16_difference: float,
    divisor: int,
) -> Card:
    ends = {"a": config.data.a, "b": config.data.b}
    source, target = ends[direction[0]], ends[direction[-1]]
    text, sampling = config.bundles[direction], config.data.sampling
    output = _channel(target, output=True)
    window = output.intensity.steps[-1] if output.intensity.steps else None
    half_range = (window.upper - window.lower) / 2 if window is not None and window.kind == "window" else 1.0
    low, high = sampling.spacing_range_mm
    try:
        return Card(
            name=text.name,
            version=text.version,
            title=text.title,
            description=text.description,
            input=_channel(source, output=False),
            output=output,
            network=NetworkSpec(name=config.network.name, arguments=config.network.arguments),
            spatial=Spatial(
                spatial_dims=2,
                planes=_planes(sampling),
                spacing_mm=round(math.sqrt(low * high), 1),
                spacing_range_mm=(low, high),
                divisor=divisor,
            ),
            coverage=Coverage(
                anatomy=config.coverage.anatomy,
                field_of_view_mm=config.coverage.field_of_view_mm,
                value_range=source.value_range,
                lung_fraction=source.lung_fraction,
            ),
            precision=Precision(
                bf16_mean_difference=bf16_difference * half_range, tolerance=_TOLERANCE * 2 * half_range
            ),
            training=Training(
                method=config.method,
                data=_sources(config, account),
                seed=config.seed,
                iterations=run["iteration"],
                recipe=config.recipe(),
                hardware=account["hardware"],
                duration_s=run["elapsed_s"],
                code_version=account["code_version"],
            ),
            licence=Licence(**config.licence.model_dump()),
            limits=(*config.limits, *account["notes"]),
        )
    except (BundleError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"The configuration cannot make a card for {text.name!r}: {reason}") from error


def _channel(domain: DomainConfig, *, output: bool) -> Channel:
    intensity = domain.output_intensity if output and domain.output_intensity else domain.intensity
    return Channel(
        modality=domain.modality,
        units=domain.units,
        intensity=intensity,
        background=domain.background,
        dtype=domain.dtype,
    )


def _planes(sampling: SamplingConfig) -> tuple[Plane, ...]:
    """Trained planes, most often seen first."""
    used = [plane for plane, weight in sampling.planes.items() if weight > 0]
    return tuple(sorted(used, key=lambda plane: -sampling.planes[plane]))


def _sources(config: TrainConfig, account: dict[str, Any]) -> tuple[DataSource, ...]:
    found = []
    for letter, domain in (("a", config.data.a), ("b", config.data.b)):
        for source, volumes in zip(domain.sources, account["volumes"][letter], strict=True):
            if volumes:
                name = f"{source.name} ({domain.modality})"
                found.append(
                    DataSource(name=name, licence=source.licence, volumes=volumes, citation=source.citation)
                )
    return tuple(found)


@torch.no_grad()
def _bf16_difference(network: nn.Module, patches: Tensor) -> float:
    """Mean difference between bf16 and fp32 on the run's fixed patches, in network range [-1, 1]."""
    exact = network(patches)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = network(patches)
    return float((rough.float() - exact).abs().mean())


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
