"""How fast a CycleGAN trains: against a plain loop of the same networks, and how long it waits for data."""

from __future__ import annotations

import csv
import itertools
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from SynthLogic.benchmarks.cases import Report, environment
from SynthLogic.inference import choose_device, device_name
from SynthLogic.methods import parse_config, train
from SynthLogic.methods.cyclegan import CycleGan
from SynthLogic.methods.translation import TranslationConfig
from SynthLogic.phantoms import write_cohort
from SynthLogic.review.tables import Cell, Column, Table

_WANTED = {"cpu": 1.5, "cuda": 2.0}
_BUSY = 0.9


class _Bare(CycleGan):
    """The method without a trainer around it."""

    def __init__(self, config: TranslationConfig) -> None:
        super().__init__(config)
        self.plain = self.configure_optimizers()

    def optimizers(self, use_pl_optimizer: bool = True) -> Any:
        return self.plain

    def manual_backward(self, loss: Tensor, *arguments: Any, **options: Any) -> None:
        loss.backward()


def training_tables(
    report: Report,
    *,
    patch: int = 128,
    features: int = 64,
    blocks: int = 9,
    rounds: int = 4,
    iterations: int = 30,
) -> list[Table]:
    """Seconds per iteration, ours and plain, taken in turns; and the share of time without waiting.

    Args:
        report: told (done, total, unit).
        patch: pixels of a side.
        features: of the generators; 64 as published.
        blocks: residual blocks; 9 as published.
        rounds: iterations that are timed, of each.
        iterations: of the training whose waiting is measured.
    """
    device = choose_device("auto")
    with tempfile.TemporaryDirectory() as folder:
        write_cohort(Path(folder) / "cohort", anatomy="thorax", subjects=2, seed=5, spacing=(3.0, 3.0, 3.0))
        plain = _recipe(Path(folder) / "cohort", patch, features, blocks, iterations)
        config = parse_config(plain)
        assert isinstance(config, TranslationConfig)
        ours, theirs = _times(config, device, rounds, report)
        train(config, Path(folder) / "run")
        waiting = _waiting(Path(folder) / "run")
    report(rounds + 1, rounds + 1, "rounds")
    ratio, wanted = theirs / ours, _WANTED[device.type]
    rows: list[tuple[Cell, ...]] = [
        ("plain loop, fp32 (ms per iteration)", 1000 * theirs, None, None),
        (f"cyclegan, {config.precision} (ms per iteration)", 1000 * ours, None, None),
        ("plain / cyclegan", ratio, f"≥ {wanted}", ratio >= wanted),
        ("time that the device is busy (%)", 100 * (1 - waiting), "≥ 90", 1 - waiting >= _BUSY),
    ]
    columns = (Column("training"), Column("measured", "", 2), Column("wanted"), Column("reached"))
    note = (
        f"{device_name(device)}. Generators with {features} features and {blocks} blocks, one sample of "
        f"{patch} x {patch} pixels; medians of {rounds} rounds in turns. The plain loop has the same "
        "networks, losses and Adam in fp32, as in a textbook; ours has the running mean besides. Busy: over "
        f"a training of {iterations} iterations on two simulated thoraces, with {config.data.workers} loader."
    )
    return [Table("Training speed", columns, tuple(rows), (note, environment()))]


def _times(
    config: TranslationConfig, device: torch.device, rounds: int, report: Report
) -> tuple[float, float]:
    """Median seconds of our iteration and of the plain one, taken in turns after one of each to warm up."""
    torch.manual_seed(0)
    method = _Bare(config).to(device)
    if config.channels_last:
        method.in_channels_last()
    textbook = _Textbook(config, device)
    side = config.data.sampling.patch
    keys = ("a_input", "a_target", "b_input", "b_target")
    batch = {key: torch.rand(1, 1, side, side, device=device) * 2 - 1 for key in keys}
    ours, theirs = [], []
    for number in range(rounds + 1):
        with _autocast(config, device):
            first = _timed(lambda: (method.step(batch), method._follow()), device)
        second = _timed(lambda: textbook.step(batch["a_target"], batch["b_target"]), device)
        if number:
            ours.append(first)
            theirs.append(second)
        report(number, rounds + 1, "rounds")
    return sorted(ours)[len(ours) // 2], sorted(theirs)[len(theirs) // 2]


def _timed(work: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def _autocast(config: TranslationConfig, device: torch.device) -> AbstractContextManager[Any]:
    if config.precision == "32-true":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


class _Textbook:
    """CycleGAN as a textbook writes it: fp32, Adam, each image through a discriminator by itself."""

    def __init__(self, config: TranslationConfig, device: torch.device) -> None:
        torch.manual_seed(0)
        method = CycleGan(config).to(device)
        self.to_b, self.to_a = method.generators["a_to_b"], method.generators["b_to_a"]
        self.judges = method.discriminators
        self.weight = method.weights.lambda_cycle
        generators = itertools.chain(self.to_a.parameters(), self.to_b.parameters())
        self.generators = torch.optim.Adam(generators, lr=2e-4, betas=(0.5, 0.999))
        self.discriminators = torch.optim.Adam(self.judges.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.square, self.absolute = nn.MSELoss(), nn.L1Loss()

    def step(self, a: Tensor, b: Tensor) -> None:
        """One iteration of generators and discriminators."""
        fake_b, fake_a = self.to_b(a), self.to_a(b)
        loss = self.weight * (self.absolute(self.to_a(fake_b), a) + self.absolute(self.to_b(fake_a), b))
        for name, fake in (("a", fake_a), ("b", fake_b)):
            score = self.judges[name](fake)[-1]
            loss = loss + self.square(score, torch.ones_like(score))
        self.generators.zero_grad()
        loss.backward()
        self.generators.step()
        self.discriminators.zero_grad()
        for name, real, fake in (("a", a, fake_a), ("b", b, fake_b)):
            for image, truth in ((real, 1.0), (fake.detach(), 0.0)):
                score = self.judges[name](image)[-1]
                (0.5 * self.square(score, torch.full_like(score, truth))).backward()
        self.discriminators.step()


def _recipe(cohort: Path, patch: int, features: int, blocks: int, iterations: int) -> dict[str, Any]:
    def domain(modality: str, steps: list[dict[str, Any]], output: list[dict[str, Any]]) -> dict[str, Any]:
        name = modality.lower()
        source = {
            "name": "thorax phantoms", "root": "cohort", "glob": f"sub-*/{name}.nii.gz",
            "licence": "Apache-2.0", "citation": "Simulated by this program.",
        }  # fmt: skip
        return {
            "modality": modality,
            "units": "HU" if modality == "CT" else "a.u.",
            "intensity": {"steps": steps},
            "output_intensity": {"steps": output},
            "sources": [source],
        }

    window = [{"kind": "window", "lower": -1000, "upper": 1100}]
    text = {"title": "speed", "description": "speed"}
    return {
        "method": "cyclegan",
        "bundles": {"a_to_b": {"name": "speed", **text}},
        "network": {"arguments": {"features": features, "blocks": blocks}},
        "discriminator": {"features": features},
        "schedule": {"constant": iterations, "decay": 0},
        "channels_last": torch.cuda.is_available(),
        "intervals": {"log": max(1, iterations // 3), "checkpoint": 10**6, "pictures": 10**6},
        "data": {
            "roots": {"cohort": str(cohort)},
            "workers": 1,
            "sampling": {"patch": patch, "spacing_range_mm": [2.5, 3.5], "max_slice_spacing_mm": 4},
            "a": domain("CT", window, window),
            "b": domain("MR", [{"kind": "percentiles"}], [{"kind": "window", "lower": 0, "upper": 1000}]),
        },
        "coverage": {"anatomy": "thorax", "field_of_view_mm": [100, 500]},
    }


def _waiting(run: Path) -> float:
    """Mean share of time without data, 0 to 1, over the log's lines but the first, when loaders start."""
    (log,) = (run / "logs").rglob("metrics.csv")
    with log.open(encoding="utf-8", newline="") as file:
        shares = [float(row["waiting_for_data"]) for row in csv.DictReader(file)]
    counted = shares[1:] or shares
    return sum(counted) / len(counted)
