"""A toy cohort of three spheres, seen by two pretended scanners."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from SynthLogic.methods import TrainConfig, parse_config
from SynthLogic.methods.cyclegan import CycleGan
from SynthLogic.volume import Volume, read_volume, write_volume

from .heart_toys import heart_config, write_heart

SIZE, SPACING = 40, 4.0


def write_image(path: Path, array: np.ndarray, spacing: tuple[float, float, float] = (SPACING,) * 3) -> None:
    """Write (K, J, I) with identity direction in RAS."""
    image = sitk.GetImageFromArray(array.astype(np.float32))
    image.SetSpacing(spacing)
    image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))


def write_subject(folder: Path, number: int) -> None:
    rng = np.random.default_rng(number)
    k, j, i = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    body = j**2 / 0.7 + i**2 / 0.8 < 1
    lung = (np.abs(i) - 0.4) ** 2 + j**2 < 0.1
    heart = (i - 0.1) ** 2 + (j - 0.2) ** 2 + k**2 < 0.08 * rng.uniform(0.7, 1.3)
    ct, mr = np.where(body, 40.0, -1000.0), np.where(body, 300.0, 0.0)
    for image, in_lung, in_heart in ((ct, -850, 300), (mr, 30, 900)):
        image[lung & body] = in_lung
        image[heart] = in_heart
    for name, image in (("ct", ct), ("mr", mr)):
        write_image(folder / f"{name}_reference.nii.gz", image)
        write_image(folder / f"{name}.nii.gz", image + rng.normal(0, 20, image.shape))
    (folder / "subject.json").write_text(json.dumps({"number": number}), encoding="utf-8")


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    for number in range(1, 5):
        write_subject(folder / f"sub-{number:04d}", number)
    return folder


class Untrained:
    """Mixed into a method: without a trainer, with plain optimisers and backward."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)  # type: ignore[call-arg]
        self.plain = self.configure_optimizers()  # type: ignore[attr-defined]

    def optimizers(self, use_pl_optimizer: bool = True) -> list[torch.optim.Optimizer]:
        return self.plain

    def manual_backward(self, loss: torch.Tensor, *arguments: object, **options: object) -> None:
        loss.backward()


class Bare(Untrained, CycleGan):
    """CycleGAN without a trainer."""


def label_tissues(cohort: Path) -> None:
    """Write labels.nii.gz beside each toy: 1 body, 2 lung, 3 heart, read off the clean CT."""
    for folder in cohort.glob("sub-*"):
        clean = read_volume(folder / "ct_reference.nii.gz").volume
        values = np.array([0, 2, 1, 3], np.uint8)[np.digitize(clean.array, (-900, -500, 100))]
        write_volume(folder / "labels.nii.gz", Volume(values, clean.ijk_to_ras))


def source(name: str, subjects: str) -> dict[str, Any]:
    return {
        "name": "toys",
        "root": "cohort",
        "glob": f"sub-*/{name}.nii.gz",
        "reference": f"{name}_reference.nii.gz",
        "subjects": subjects,
        "licence": "CC0-1.0",
        "citation": "made up",
    }


def plain_config(cohort: Path) -> dict[str, Any]:
    """The smallest CycleGAN as plain data, to be changed by tests."""
    return {
        "method": "cyclegan",
        "seed": 3,
        "bundles": {
            "a_to_b": {"name": "toy-ct-to-mr", "title": "toy", "description": "toy"},
            "b_to_a": {"name": "toy-mr-to-ct", "title": "toy", "description": "toy"},
        },
        "network": {"name": "resnet-generator", "arguments": {"features": 4, "blocks": 1}},
        "discriminator": {"features": 4, "layers": 2},
        "losses": {"lambda_cycle": 10},
        "schedule": {"constant": 6, "decay": 4},
        "pool_size": 3,
        "batch": 2,
        "precision": "32-true",
        "ema_decay": 0.9,
        "device": "cpu",
        "intervals": {"log": 1, "checkpoint": 5, "pictures": 10, "keep": 2, "rows": 2},
        "data": {
            "roots": {"cohort": str(cohort), "real": None},
            "sampling": {
                "patch": 32,
                "planes": {"axial": 0.5, "coronal": 0.5},
                "spacing_range_mm": [4.0, 6.0],
            },
            "a": {
                "modality": "CT",
                "units": "HU",
                "intensity": {"steps": [{"kind": "window", "lower": -1024, "upper": 1500}]},
                "background": -1024,
                "dtype": "int16",
                "value_range": [-1024, 700],
                "sources": [source("ct", "even")],
                "corruptions": [{"kind": "gaussian-noise"}],
            },
            "b": {
                "modality": "MR",
                "units": "a.u.",
                "intensity": {"steps": [{"kind": "percentiles", "upper": 99.9}]},
                "output_intensity": {"steps": [{"kind": "window", "lower": 0, "upper": 1000}]},
                "sources": [source("mr", "odd")],
                "corruptions": [{"kind": "rician-noise"}, {"kind": "gamma"}],
            },
        },
        "coverage": {"anatomy": "toy", "field_of_view_mm": [100, 300]},
        "limits": ["A toy."],
    }


@pytest.fixture
def toy(cohort: Path) -> dict[str, Any]:
    return plain_config(cohort)


@pytest.fixture(scope="session")
def toy_data(cohort: Path) -> Callable[[], dict[str, Any]]:
    """For fixtures that live longer than a test."""
    return lambda: plain_config(cohort)


@pytest.fixture
def config(toy: dict[str, Any]) -> TrainConfig:
    return parse_config(toy)


@pytest.fixture
def pairs(toy: dict[str, Any]) -> Callable[[str], TrainConfig]:
    """The supervised configuration of one direction."""

    def make(direction: str) -> TrainConfig:
        toy["method"], toy["losses"] = "supervised", {"lambda_image": 1}
        toy["bundles"] = {direction: toy["bundles"][direction]}
        toy["data"]["paired"] = True
        for letter in "ab":
            toy["data"][letter]["sources"][0]["subjects"] = "all"
        return parse_config(toy)

    return make


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def image_writer() -> Callable[..., None]:
    return write_image


@pytest.fixture
def subject_writer() -> Callable[[Path, int], None]:
    return write_subject


@pytest.fixture(scope="session")
def hearts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hearts")
    for number in range(1, 5):
        write_heart(folder / f"sub-{number:04d}", number, write_image)
    return folder


@pytest.fixture
def vae(hearts: Path) -> dict[str, Any]:
    return heart_config(hearts, "label-vae")


@pytest.fixture
def spade(hearts: Path) -> dict[str, Any]:
    return heart_config(hearts, "spade")
