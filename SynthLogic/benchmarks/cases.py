"""What the benchmarks measure on: unseen simulated subjects, and the bundles with their baselines."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from SynthLogic import __version__
from SynthLogic.bundles import Bundle
from SynthLogic.bundles.store import shipped_folder
from SynthLogic.errors import BundleError
from SynthLogic.intensity import Percentiles, Pipeline
from SynthLogic.phantoms import Subject, make_subject
from SynthLogic.resources import resource_folder
from SynthLogic.volume import Volume

Report = Callable[[int, int, str], None]

# Named before any training started; the recipes in Resources/training use other seeds.
TEST_SEED = 2026
TEST_SUBJECTS = 10
DIRECTIONS = ("ct-to-mr", "mr-to-ct")
# Width of the output's range, for PSNR and SSIM: the HU window of the cards, and 0 to 1000 of synthetic MR.
DATA_RANGE = {"CT": 2100.0, "MR": 1000.0}


@dataclass(frozen=True)
class Case:
    """One subject in one direction; volumes on one grid.

    ``reference`` is the simulator's noise-free image in the output's units: HU, or MR scaled to 0..1000 by
    the percentiles that the training used. ``body`` marks the patient, (K, J, I) boolean; ``labels`` are the
    simulator's tissues, (K, J, I) uint8.
    """

    input: Volume
    reference: Volume
    body: np.ndarray
    labels: np.ndarray


def case_of(subject: Subject, direction: str) -> Case:
    """``subject`` as a test of ``direction``, "ct-to-mr" or "mr-to-ct"."""
    if direction == "mr-to-ct":
        return Case(subject.mr, subject.ct_reference, subject.body, subject.mr_labels.array)
    scaled, _ = Pipeline(steps=[Percentiles(lower=0.5, upper=99.0)]).forward(subject.mr_reference)
    reference = subject.mr_reference.with_array((scaled + 1) * np.float32(500))
    return Case(subject.ct, reference, subject.body, subject.ct_labels.array)


def unseen_subjects(count: int = TEST_SUBJECTS) -> Iterator[Subject]:
    """The unseen subjects, made on the spot."""
    for index in range(count):
        yield make_subject(TEST_SEED, index)


def shipped(direction: str) -> Bundle:
    """The bundle that ships for ``direction``."""
    return Bundle.open(shipped_folder() / f"thorax-{direction}")


def supervised(direction: str) -> Bundle:
    """The baseline: the same generator, trained on the same subjects as registered pairs.

    Raises:
        BundleError: this copy of the program lacks it.
    """
    folder = resource_folder() / "baselines" / f"thorax-supervised-{direction}"
    if not folder.is_dir():
        raise BundleError(
            f"The baseline {folder.name} is missing: train it by Resources/training/{folder.name}.yaml."
        )
    return Bundle.open(folder)


def environment() -> str:
    """One line for under a table: hardware, software and version."""
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    processor = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            processor = next(
                (line.split(":")[1].strip() for line in lines if "model name" in line), processor
            )
    except OSError:
        pass
    return (
        f"{os.cpu_count()} cores {processor}{gpu}; {platform.system()}, Python {platform.python_version()}, "
        f"torch {torch.__version__}, CrossModalSynth {__version__}."
    )
