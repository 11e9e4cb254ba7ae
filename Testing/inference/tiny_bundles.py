"""Tiny bundles and stand-ins for networks, shared by the tests of inference and jobs."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from SynthLogic.bundles import Bundle, Card, write_bundle
from SynthLogic.networks import build_network
from SynthLogic.volume import Volume

HU = {"kind": "window", "lower": -1000.0, "upper": 1000.0}
MR = {"kind": "window", "lower": 0.0, "upper": 1000.0}
NETWORK = {"features": 4, "blocks": 1}


def channel(modality: str) -> dict[str, Any]:
    if modality == "CT":
        steps, units, background, dtype = [HU], "HU", -1000.0, "int16"
    else:
        steps, units, background, dtype = [MR], "a.u.", 0.0, "float32"
    return {
        "modality": modality,
        "units": units,
        "intensity": {"steps": steps},
        "background": background,
        "dtype": dtype,
    }


def card(source: str = "CT", target: str = "MR", **changes: Any) -> Card:
    spatial = {"spatial_dims": 2, "spacing_mm": 2.0, "spacing_range_mm": (0.5, 2.6), "divisor": 4}
    precision = {"tolerance": 2.0, **changes.pop("precision", {})}
    data = {
        "name": f"tiny-{source.lower()}-to-{target.lower()}",
        "version": "1.0.0",
        "title": "Tiny",
        "description": "Random weights.",
        "input": channel(source),
        "output": channel(target),
        "network": {"name": "resnet-generator", "arguments": NETWORK},
        "spatial": {**spatial, **changes.pop("spatial", {})},
        "coverage": {"anatomy": "thorax", "field_of_view_mm": (5.0, 900.0), **changes.pop("coverage", {})},
        "precision": precision,
        "training": {
            "method": "none",
            "data": [],
            "seed": 0,
            "iterations": 0,
            "hardware": "none",
            "duration_s": 0.0,
            "code_version": "0",
        },
        "licence": {"spdx": "CC0-1.0"},
        **changes,
    }
    return Card.from_data(data)


def random_network(**arguments: Any) -> nn.Module:
    """Random weights, large enough for a lively output."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = build_network("resnet-generator", {**NETWORK, **arguments}).eval()
        for parameter in network.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, 0.0, (2 / parameter[0].numel()) ** 0.5)
    return network


def blurring_network() -> nn.Module:
    """A generator that only blurs in-plane, evenly to all sides: what is bright stays where it is."""
    network = build_network("resnet-generator", NETWORK).eval()
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    triangle = torch.tensor([0.5, 1.0, 0.5])
    for layer in layers:
        for parameter in layer.parameters():
            nn.init.zeros_(parameter)
    for layer in (layers[0], layers[-1]):
        layer.weight.data[0, 0, 3, 3] = 0.2
    for layer in (*layers[1:3], *layers[-3:-1]):
        layer.weight.data[0, 0] = torch.outer(triangle, triangle)
    return network


def tiny_bundle(folder: Path, source: str = "CT", target: str = "MR", **changes: Any) -> Bundle:
    return write_bundle(folder, card(source, target, **changes), random_network().state_dict())


def stub(network: nn.Module, source: str = "CT", target: str = "MR", **changes: Any) -> Any:
    """What the engine needs of a bundle, around any module."""
    return SimpleNamespace(card=card(source, target, **changes), load_network=lambda: network.eval())


class Pointwise(nn.Module):
    """x -> gain * x: the same whatever the plane, batch or tile. Has a weight, so that it can be hooked."""

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.constant_(self.gain.weight, gain)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gain.weight.flatten()[0] + 0 * self.gain(x[:1, :, :1, :1]).sum()


def ct_like(shape: tuple[int, int, int] = (12, 24, 28), seed: int = 0) -> np.ndarray:
    """A CT of a smooth body with two lungs in air, int16 HU."""
    rng = np.random.default_rng(seed)
    k, j, i = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    body = (j / 0.8) ** 2 + (i / 0.9) ** 2 < 1
    lungs = ((j / 0.4) ** 2 + ((np.abs(i) - 0.45) / 0.25) ** 2 < 1) & (np.abs(k) < 2)
    values = np.where(body, 40.0, -1000.0)
    values[lungs] = -820.0
    values[(j > 0.5) & (np.abs(i) < 0.15) & body] = 600.0
    return np.rint(values + 15 * rng.standard_normal(shape)).astype(np.int16)


def mr_like(shape: tuple[int, int, int] = (12, 24, 28), seed: int = 0) -> np.ndarray:
    """An MR of the same body, float32, never negative."""
    hu = ct_like(shape, seed).astype(np.float32)
    return np.clip((hu + 1000) * 0.4, 0, None).astype(np.float32)


def matrix(
    spacing: tuple[float, float, float] = (2.0, 2.0, 3.0), rotation: np.ndarray | None = None
) -> np.ndarray:
    result = np.eye(4)
    result[:3, :3] = (np.eye(3) if rotation is None else rotation) @ np.diag(spacing)
    result[:3, 3] = (-31.0, 17.0, 5.0)
    return result


def rotation(degrees: float, axis: tuple[float, float, float]) -> np.ndarray:
    x, y, z = np.asarray(axis) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.deg2rad(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def stored_ways(volume: Volume) -> list[Volume]:
    """The same scan stored in all 48 axis orders and directions."""
    ways = []
    for order in permutations(range(3)):
        for flips in product((False, True), repeat=3):
            step = np.zeros((4, 4))
            step[3, 3] = 1
            array = volume.array.transpose(order)
            for new, (old, flip) in enumerate(zip(order, flips, strict=True)):
                # Array axis 0 is K, matrix column 0 is I.
                step[2 - old, 2 - new] = -1 if flip else 1
                step[2 - old, 3] = volume.shape[old] - 1 if flip else 0
            array = array[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]
            ways.append(Volume(np.ascontiguousarray(array), volume.ijk_to_ras @ step))
    return ways
