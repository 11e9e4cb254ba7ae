"""What all training methods share: networks, their running mean, the schedule, the state of a run."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from lightning.pytorch import LightningModule
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor, nn
from torch.utils.data import DataLoader

from SynthLogic.bundles import Card
from SynthLogic.data import Stream
from SynthLogic.errors import BundleError, ConfigError
from SynthLogic.methods.config import ScheduleConfig, TrainConfig, explain
from SynthLogic.methods.family import Family
from SynthLogic.methods.plateau import Plateau


class Weights(BaseModel):
    """Loss weights of a method; a method's own class names them."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Method(LightningModule):
    """A published way to train networks; a subclass is one file and one entry of the register.

    A subclass belongs to a family, which reads its data and makes its cards; it builds what is exported and
    what it needs beside that, and makes one iteration in ``step``. The rest (learning rate, running mean,
    position in the data, random state, checkpoints that resume to the same bits) is here.

    Attributes:
        generators: what is trained and exported, by name.
        mean: running mean of the generators; this is what is exported.
        iteration: finished iterations.
        elapsed_s: seconds of training before this start, for the card.
        batches: the data, set before training.
        validation: a batch of subjects that are not trained on, or None; set before training.
        plateau: what the schedule's patience has seen, or None without patience.
    """

    family: ClassVar[Family]
    weights_class: ClassVar[type[Weights]] = Weights
    batches: Stream

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.config = config
        self.check(config)
        self.weights = self.check_weights(config)
        try:
            networks = self.build(config)
        except BundleError as error:
            raise ConfigError(str(error).replace("the card", "the configuration")) from error
        self.generators = nn.ModuleDict(networks)
        self.mean = copy.deepcopy(self.generators).requires_grad_(False).eval()
        self.iteration = 0
        self.elapsed_s = 0.0
        self.validation: dict[str, Tensor] | None = None
        self.sums: dict[str, Tensor] = {}
        self.summed: dict[str, int] = {}
        patience = config.schedule.patience
        self.plateau = None if patience is None else Plateau(config.schedule, patience)

    @classmethod
    def check(cls, config: Any) -> None:
        """Raise ConfigError for data that the method cannot be trained on."""

    @classmethod
    def check_weights(cls, config: TrainConfig) -> Any:
        """The method's loss weights; ConfigError if the configuration names one that it does not have."""
        try:
            return cls.weights_class.model_validate(config.losses)
        except ValidationError as error:
            raise ConfigError(explain(error, "losses")) from error

    def check_parent(self, key: str, card: Card) -> None:
        """Raise ConfigError for a bundle whose weights make no sense as the beginning of network ``key``."""

    @classmethod
    @abstractmethod
    def build(cls, config: Any) -> dict[str, nn.Module]:
        """The networks that are exported, by name; see ``TrainConfig.exports``."""

    @abstractmethod
    def step(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """One iteration: forward, backward, optimiser steps.

        Args:
            batch: see the family's data.

        Returns:
            Losses by name, detached scalars.
        """

    @abstractmethod
    def optimised(self) -> list[Iterable[nn.Parameter]]:
        """The parameters of each optimiser."""

    def after_step(self) -> dict[str, Tensor]:
        """What there is to do after an iteration, such as validation; figures by name for the log."""
        return {}

    @property
    def done(self) -> bool:
        """Whether the training may end before its schedule does."""
        return False

    @property
    def incomplete_until(self) -> int:
        """Iterations at the start that lack some of the losses."""
        return 0

    @property
    def schedule(self) -> ScheduleConfig:
        """The schedule in force: as configured, or shortened by its patience."""
        return self.config.schedule if self.plateau is None else self.plateau.schedule

    @property
    def total(self) -> int:
        """All iterations, as far as is known by now."""
        return self.config.schedule.total if self.plateau is None else self.plateau.total

    @property
    def finished(self) -> bool:
        """Whether nothing is left to train."""
        return self.iteration >= self.total or self.done

    @classmethod
    def exported(cls, config: Any, run: dict[str, Any]) -> str:
        """The attribute whose weights are exported: the running mean, or without one the networks.

        Args:
            config: of the training.
            run: its state, as in a checkpoint.
        """
        return "mean" if config.ema_decay > 0 else "generators"

    def method_state(self) -> dict[str, Any]:
        """What a checkpoint needs beside weights and optimisers; plain data and tensors."""
        return {}

    def restore_method_state(self, state: dict[str, Any]) -> None:
        """Go on from ``method_state``."""

    @abstractmethod
    def show(self, batch: dict[str, Tensor]) -> dict[str, list[Tensor]]:
        """Pictures by name, each a list of columns (N, 1, J, I) in [-1, 1]."""

    def headings(self, picture: str, columns: int) -> list[str]:
        """What to write above the columns of a picture of ``show``; as many as there are columns."""
        names = ["input", "output", "back again"]
        return [*names, *(f"column {n}" for n in range(len(names) + 1, columns + 1))][:columns]

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam for each group of parameters."""
        o = self.config.optimiser
        return [
            torch.optim.Adam(list(group), lr=o.lr, betas=o.betas, fused=True) for group in self.optimised()
        ]

    def train_dataloader(self) -> DataLoader:
        """The batches from the current iteration on."""
        workers = self.config.data.workers
        stream = self.batches.starting_at(self.iteration)
        # Its own generator: a loader draws a number when it starts, and a resumed run starts one more.
        return DataLoader(
            stream,
            batch_size=None,
            num_workers=workers,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),
        )

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """One iteration, with learning rate, running mean and sums of losses."""
        factor = self.schedule.factor(self.iteration)
        for optimiser in self.trainer.optimizers:
            for group in optimiser.param_groups:
                group["lr"] = self.config.optimiser.lr * factor
        if self.config.channels_last:
            formats = {4: torch.channels_last, 5: torch.channels_last_3d}
            batch = {
                k: v.contiguous(memory_format=formats[v.ndim]) if v.ndim in formats else v
                for k, v in batch.items()
            }
        losses = self.step(batch)
        self._follow()
        self.iteration += 1
        losses = {**losses, **self.after_step()}
        for name, loss in losses.items():
            self.sums[name] = self.sums[name] + loss if name in self.sums else loss
            self.summed[name] = self.summed.get(name, 0) + 1
        if self.plateau is not None:
            self.plateau.add(losses)

    def in_channels_last(self) -> None:
        """Bring the weights of convolutions into that memory format, in two dimensions or three."""
        formats = {4: torch.channels_last, 5: torch.channels_last_3d}
        for parameter in self.parameters():
            if parameter.ndim in formats:
                parameter.data = parameter.data.contiguous(memory_format=formats[parameter.ndim])

    def descend(self, loss: Tensor, optimiser: Any) -> None:
        """One step of ``optimiser`` down the gradient of ``loss``, clipped as configured."""
        optimiser.zero_grad()
        self.manual_backward(loss)
        clip = self.config.optimiser.clip_norm
        if clip is not None:
            torch.nn.utils.clip_grad_norm_([p for g in optimiser.param_groups for p in g["params"]], clip)
        optimiser.step()

    def take_mean_losses(self) -> dict[str, float]:
        """Mean losses since the last call."""
        means = {name: float(total) / self.summed[name] for name, total in self.sums.items()}
        self.sums, self.summed = {}, {}
        return means

    def is_finite(self) -> bool:
        """Whether all losses since the last log line, and all weights, are numbers."""
        tensors = [*self.sums.values(), *self.parameters()]
        return all(bool(torch.isfinite(t).all()) for t in tensors)

    @torch.no_grad()
    def _follow(self) -> None:
        # Early on a long memory would hold the random start, so the decay grows with the iterations.
        decay = min(self.config.ema_decay, (1 + self.iteration) / (10 + self.iteration))
        new: list[Tensor] = list(self.generators.parameters())
        old: list[Tensor] = list(self.mean.parameters())
        torch._foreach_lerp_(old, new, 1 - decay)
        # Running statistics of batch normalisation are means already.
        for mean, value in zip(self.mean.buffers(), self.generators.buffers(), strict=True):
            mean.copy_(value)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the state of the run."""
        checkpoint["run"] = {
            "iteration": self.iteration,
            "elapsed_s": self.elapsed_s,
            "sums": dict(self.sums),
            "summed": dict(self.summed),
            "torch_random": torch.get_rng_state(),
            "method": self.method_state(),
        }
        if self.plateau is not None:
            checkpoint["run"]["plateau"] = self.plateau.state()
        if self.device.type == "cuda":
            checkpoint["run"]["cuda_random"] = torch.cuda.get_rng_state(self.device)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on from the state of the run."""
        run = checkpoint["run"]
        self.iteration, self.elapsed_s = run["iteration"], run["elapsed_s"]
        self.sums, self.summed = dict(run["sums"]), dict(run["summed"])
        torch.set_rng_state(run["torch_random"].cpu())
        if "cuda_random" in run and torch.cuda.is_available():
            torch.cuda.set_rng_state(run["cuda_random"].cpu())
        if self.plateau is not None and "plateau" in run:
            self.plateau.restore(run["plateau"])
        self.restore_method_state(run["method"])
