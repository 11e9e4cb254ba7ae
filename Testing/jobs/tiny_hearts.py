"""Simple hearts, and tiny bundles that encode and paint them, shared by the tests of jobs, worker and cli."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from SynthLogic.bundles import Bundle, Card, write_bundle
from SynthLogic.networks import build_network
from SynthLogic.volume import Volume

LABELS = {"background": 0, "lv_cavity": 1, "myocardium": 2, "rv_cavity": 3}
MR = {
    "modality": "MR",
    "units": "a.u.",
    "intensity": {"steps": [{"kind": "window", "lower": 0.0, "upper": 1000.0}]},
    "background": 0.0,
    "dtype": "int16",
}
NETWORKS: dict[str, dict[str, Any]] = {
    "label-vae": {"features": [4, 4, 4, 4], "latent": 6},
    "paint": {"features": [8, 8, 4], "hidden": [4, 4, 4], "style": 3, "styles": 2},
}
# What ships: the defaults of both networks.
FULL: dict[str, dict[str, Any]] = {"label-vae": {}, "paint": {}}
NAMES = {"label-vae": "label-vae", "paint": "spade-generator"}


def heart_card(task: str, **changes: Any) -> Card:
    labels = {"modality": "labels", "units": "labels", "labels": LABELS}
    data: dict[str, Any] = {
        "name": f"tiny-{task}",
        "version": "1.0.0",
        "title": "Tiny",
        "description": "Random weights.",
        "task": task,
        "input": labels,
        "output": labels if task == "label-vae" else MR,
        "network": {"name": NAMES[task], "arguments": NETWORKS[task]},
        "spatial": {
            "spatial_dims": 2,
            "spacing_mm": 1.5,
            "spacing_range_mm": (1.4, 1.6),
            "divisor": 16,
        },
        "coverage": {"anatomy": "heart", "field_of_view_mm": (190.0, 194.0)},
        "precision": {"tolerance": 2.0},
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
    }
    if task == "paint":
        names = ("vendor-a", "vendor-b")
        data["styles"] = [{"name": n, "title": n.title(), "description": f"Like {n}."} for n in names]
        data["reference"] = {
            **MR,
            "intensity": {"steps": [{"kind": "percentiles", "lower": 1.0, "upper": 99.0}]},
            "dtype": "float32",
        }
    return Card.from_data({**data, **changes})


def heart_bundle(folder: Path, task: str, full: bool = False, **changes: Any) -> Bundle:
    """A bundle with random weights, lively enough that style and labels show."""
    if full:
        changes["network"] = {"name": NAMES[task], "arguments": FULL[task]}
    card = heart_card(task, **changes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        network = build_network(card.network.name, card.network.arguments).eval()
        for parameter in network.parameters():
            if parameter.dim() > 1 and not full:
                nn.init.normal_(parameter, 0.0, (2 / parameter[0].numel()) ** 0.5)
        state = network.state_dict()
        if task == "paint":
            state["style_means"] = torch.randn_like(state["style_means"])
    return write_bundle(folder, card, state)


def heart_labels(
    slices: int = 9,
    size: int = 72,
    *,
    radius: float = 24.0,
    wall: float = 9.0,
    rv: bool = True,
    pixel_mm: float = 1.5,
    slice_mm: float = 8.0,
    empty: int = 1,
    oblique: bool = True,
) -> Volume:
    """A short-axis stack, apex first, with ``empty`` slices without labels at both ends; sizes in mm."""
    matrix = np.diag([pixel_mm, pixel_mm, slice_mm, 1.0])
    if oblique:
        matrix = _oblique() @ matrix
    count = slices + 2 * empty
    array = np.zeros((count, size, size), np.uint8)
    j, i = (np.mgrid[:size, :size] - (size - 1) / 2) * pixel_mm
    for n in range(slices):
        # Narrower towards the apex.
        r = radius * (0.55 + 0.45 * np.sqrt((n + 1) / slices))
        distance = np.hypot(i, j)
        plane = array[n + empty]
        if rv:
            right = np.hypot(i - 1.15 * r, j) < 1.1 * r
            plane[right] = 3
        plane[distance < r + wall] = 2
        plane[distance < r] = 1
    return Volume(array, matrix)


def _oblique() -> np.ndarray:
    """From the stack's own axes to a patient: base up and back, septum to the right and front."""
    base = np.array([0.62, -0.52, 0.58])
    base /= np.linalg.norm(base)
    septum = np.array([0.75, 0.6, -0.1])
    septum -= septum @ base * base
    septum /= np.linalg.norm(septum)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([septum, np.cross(base, septum), base], axis=1)
    matrix[:3, 3] = (-30.0, 12.0, -45.0)
    return matrix


def heart_image(labels: Volume, seed: int = 0) -> Volume:
    """An MR of that heart: bright blood, grey muscle, noise."""
    values = np.array([120.0, 700.0, 300.0, 650.0])[labels.array]
    noise = np.random.default_rng(seed).normal(0, 25, labels.shape)
    return labels.with_array(np.clip(values + noise, 0, None).astype(np.float32))
