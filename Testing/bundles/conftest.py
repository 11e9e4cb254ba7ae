"""A tiny bundle, and a store of one's own for every test."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from SynthLogic.bundles import Bundle, Card, write_bundle
from SynthLogic.networks import build_network

ARGUMENTS: dict[str, Any] = {"features": 4, "blocks": 1}


def card_data(**changes: Any) -> dict[str, Any]:
    """A valid card as plain data; a change with dots in its name goes into the part of that name."""
    data: dict[str, Any] = {
        "name": "tiny-ct-to-mr",
        "version": "1.0.0",
        "title": "Tiny CT to MR",
        "description": "For tests only.",
        "input": {
            "modality": "CT",
            "units": "HU",
            "intensity": {"steps": [{"kind": "window", "lower": -1000, "upper": 1000}]},
            "background": -1000,
            "dtype": "int16",
        },
        "output": {
            "modality": "MR",
            "units": "a.u.",
            "intensity": {"steps": [{"kind": "window", "lower": 0, "upper": 1000}]},
            "background": 0,
            "dtype": "float32",
        },
        "network": {"name": "resnet-generator", "arguments": dict(ARGUMENTS)},
        "spatial": {
            "spatial_dims": 2,
            "planes": ["axial"],
            "spacing_mm": 1.5,
            "spacing_range_mm": [1.0, 2.0],
            "divisor": 4,
        },
        "coverage": {"anatomy": "thorax", "field_of_view_mm": [10, 500]},
        "precision": {"tolerance": 2.0, "bf16_mean_difference": 1.0},
        "training": {
            "method": "cyclegan",
            "data": [
                {"name": "phantoms", "licence": "Apache-2.0", "volumes": 3, "citation": "this | project"}
            ],
            "seed": 0,
            "iterations": 1,
            "recipe": {"batch": 1},
            "hardware": "CPU",
            "duration_s": 1.0,
            "code_version": "0.1.0",
        },
        "figures": [{"name": "MAE", "value": 60.0, "units": "a.u.", "on": "10 phantoms"}],
        "licence": {"spdx": "Apache-2.0"},
        "limits": ["Never seen a real scan."],
    }
    return changed(data, changes)


LABELS = {"background": 0, "lv_cavity": 1, "myocardium": 2, "rv_cavity": 4}
HEARTS: dict[str, dict[str, Any]] = {
    "label-vae": {"name": "label-vae", "arguments": {"size": 16, "features": [4, 4], "latent": 3}},
    "paint": {
        "name": "spade-generator",
        "arguments": {"size": 16, "features": [4, 4], "hidden": [4, 4], "style": 3},
    },
}


def heart_data(task: str, /, **changes: Any) -> dict[str, Any]:
    """A valid card of a bundle that encodes or paints labels; changes as for ``card_data``."""
    labels = {"modality": "labels", "labels": dict(LABELS)}
    data = card_data(name=f"tiny-{task}", task=task, input=labels, network=copy.deepcopy(HEARTS[task]))
    data["precision"] = {"tolerance": 2.0}
    if task == "paint":
        styles = [{"name": n, "title": f"Vendor {n}", "description": f"As {n} makes them."} for n in "ab"]
        percentiles = {"steps": [{"kind": "percentiles", "lower": 1, "upper": 99}]}
        data |= {"styles": styles, "reference": {**data["output"], "intensity": percentiles}}
    else:
        data["output"] = copy.deepcopy(labels)
    return changed(data, changes)


def heart_state(task: str, seed: int = 0) -> dict[str, torch.Tensor]:
    """Weights large enough that labels and style show."""
    torch.manual_seed(seed)
    state = build_network(**HEARTS[task]).state_dict()
    return {name: 3 * tensor if name.endswith("weight") else tensor for name, tensor in state.items()}


def changed(data: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``data`` with changes; one with dots in its name goes into the part of that name."""
    for name, value in changes.items():
        part, *path = data, *name.split("__")
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = value
    return data


def tiny_state(seed: int = 0, **arguments: Any) -> dict[str, torch.Tensor]:
    """Weights large enough that the output depends visibly on the input."""
    torch.manual_seed(seed)
    network = build_network("resnet-generator", {**ARGUMENTS, **arguments})
    return {name: 10 * tensor for name, tensor in network.state_dict().items()}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store for this test; nothing ships."""
    monkeypatch.setenv("CROSSMODALSYNTH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("SynthLogic.bundles.store.shipped_folder", lambda: tmp_path / "shipped")
    return tmp_path / "home"


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Bundle]:
    """Write a tiny bundle with changes to its card; ``seed`` changes the weights, ``at`` the folder."""

    def build(*, at: str = "made", seed: int = 0, **changes: Any) -> Bundle:
        return write_bundle(tmp_path / at, Card.from_data(card_data(**changes)), tiny_state(seed))

    return build


@pytest.fixture
def make_heart(tmp_path: Path) -> Callable[..., Bundle]:
    """Write a tiny bundle for labels with changes to its card."""

    def build(task: str, /, *, at: str = "made", seed: int = 0, **changes: Any) -> Bundle:
        return write_bundle(
            tmp_path / at, Card.from_data(heart_data(task, **changes)), heart_state(task, seed)
        )

    return build
