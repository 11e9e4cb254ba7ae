"""Toy hearts: a disc in a ring beside a crescent, as two pretended vendors see them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

PIXEL, GAP, SIDE, SLICES = 3.0, 8.0, 48, 5


def heart_labels(size: float = 1.0, right: bool = True) -> np.ndarray:
    """(K, J, I): apex at k = 0, right ventricle towards +I."""
    j, i = (np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2) * PIXEL
    labels = np.zeros((SLICES, SIDE, SIDE), np.uint8)
    for k in range(SLICES):
        inner = size * (8 + 3 * k)
        if right and k:
            labels[k][np.hypot(j / 1.2, i - inner - 10) < inner] = 3
        labels[k][np.hypot(j, i) < inner + 10] = 2
        labels[k][np.hypot(j, i) < inner] = 1
    return labels


def heart_image(labels: np.ndarray, vendor: str, seed: int) -> np.ndarray:
    table = {"a": [60, 400, 150, 420], "b": [120, 300, 40, 260]}[vendor]
    return np.asarray(table, float)[labels] + np.random.default_rng(seed).normal(0, 6, labels.shape)


def write_heart(folder: Path, number: int, write: Any) -> None:
    vendor = "ab"[number % 2]
    for phase, size in (("ed", 0.9 + 0.1 * number), ("es", 0.6 + 0.1 * number)):
        labels = heart_labels(size)
        write(folder / f"{phase}_labels.nii.gz", labels, (PIXEL, PIXEL, GAP))
        write(folder / f"{phase}.nii.gz", heart_image(labels, vendor, number), (PIXEL, PIXEL, GAP))
    account = {"number": number, "vendor": vendor}
    (folder / "subject.json").write_text(json.dumps(account), encoding="utf-8")


def heart_source(**changes: Any) -> dict[str, Any]:
    return {
        "name": "toy hearts",
        "root": "cohort",
        "glob": "sub-*/e?_labels.nii.gz",
        "image": {"replace": "_labels.nii.gz", "by": ".nii.gz"},
        "style": "vendor-{vendor}",
        "licence": "CC0-1.0",
        "citation": "made up",
        **changes,
    }


def heart_config(cohort: Path, method: str) -> dict[str, Any]:
    """The smallest training on hearts as plain data, to be changed by tests."""
    networks = {
        "label-vae": {"features": [4, 8], "latent": 4},
        "spade": {"features": [8, 8, 4], "hidden": [4, 4, 4], "style": 3},
    }
    names = {"label-vae": "label-vae", "spade": "spade-generator"}
    return {
        "method": method,
        "seed": 3,
        "bundle": {"name": f"toy-{method}", "title": "toy", "description": "toy"},
        "network": {"name": names[method], "arguments": networks[method]},
        "discriminator": {"features": 4, "layers": 2},
        "losses": {},
        "schedule": {"constant": 6, "decay": 4},
        "batch": 3,
        "precision": "32-true",
        "ema_decay": 0.9,
        "device": "cpu",
        "intervals": {"log": 1, "checkpoint": 5, "pictures": 10, "keep": 2, "rows": 2},
        "data": {
            "roots": {"cohort": str(cohort), "real": None},
            "size": 32,
            "pixel_mm": 4.5,
            "margin": 4,
            "styles": [{"name": f"vendor-{v}", "title": v, "description": "toy"} for v in "ab"],
            "sources": [heart_source()],
        },
        "limits": ["A toy."],
    }
