"""U-Net that finds structures in images (Ronneberger et al. 2015), as papers 1 and 2 train it.

    L = cross-entropy + lambda_dice (1 - soft Dice)

Subjects that ``data.split`` keeps out validate: every ``validate_every`` iterations the running mean of the
weights is tried on fixed slices of theirs; the best is exported, and after ``patience`` trials without a
better one the training ends (paper 1 stops early so). Without a split the last running mean is exported.
Those people have chosen the weights: whoever tests needs others.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from SynthLogic.bundles import Card, Coverage, LabelChannel, NetworkSpec, Precision
from SynthLogic.data import Library, load_library
from SynthLogic.data.batches import pairs_of
from SynthLogic.data.library import refuse_absent_labels
from SynthLogic.data.segmentation import SegmentationBatches, SegmentationDataConfig
from SynthLogic.data.stream import PICTURES
from SynthLogic.errors import ConfigError
from SynthLogic.losses import label_cross_entropy, soft_dice_loss
from SynthLogic.methods.base import Method, Weights
from SynthLogic.methods.config import BundleText, NetworkConfig, TrainConfig
from SynthLogic.methods.family import (
    Family,
    Material,
    Trained,
    completed,
    data_source,
    licence_of,
    training_of,
)
from SynthLogic.methods.translation import CoverageConfig, channel_of, held_out_of, spatial_of
from SynthLogic.networks import build_network

NETWORK = "unet-segmenter"
_VALIDATION = 64


class SegmentationConfig(TrainConfig):
    """A training of a network that finds structures.

    Attributes:
        bundle: what to export.
        network: ``unet-segmenter``.
        data: see there.
        coverage: for the card.
    """

    bundle: BundleText
    network: NetworkConfig = NetworkConfig(name=NETWORK)
    data: SegmentationDataConfig
    coverage: CoverageConfig

    def exports(self) -> dict[str, BundleText]:
        """The one bundle."""
        return {"network": self.bundle}


class Segmentation(Family):
    """Patches with labels; one bundle."""

    config_class = SegmentationConfig

    def read(self, config: SegmentationConfig, say: Callable[[str], None]) -> Material:
        """Read the images, and those that validate."""
        domains = config.data.as_domains()
        data = config.data
        image = load_library(domains, data.image, say)
        second = load_library(domains, data.second, say) if data.second else None
        volumes = {"image": image.counts(data.image)}
        if second is not None and data.second is not None:
            volumes["second"] = second.counts(data.second)
        notes = (*image.notes, *(second.notes if second else ()))
        image, unpaired = _with_partners(_labelled(image), second)
        refuse_absent_labels(data.structures, (image,), "structures")
        notes += unpaired
        stream = SegmentationBatches(data, image, second, size=config.batch, seed=config.seed)
        validation = None
        if config.data.split is not None:
            kept = _labelled(load_library(domains, data.image, say, held_out=True))
            beside = load_library(domains, data.second, say, held_out=True) if data.second else None
            kept, _ = _with_partners(kept, beside)
            others = SegmentationBatches(data, kept, beside, size=_VALIDATION, seed=config.seed)
            validation = others.batch_of(range(_VALIDATION), PICTURES)
        return Material(
            stream,
            volumes,
            notes,
            image.drawable,
            validation,
            held_out_of(domains, (data.image, *([data.second] if data.second else []))),
        )

    def arguments(self, config: SegmentationConfig) -> dict[str, Any]:
        """The configuration's, with those that follow from the data."""
        data = config.data
        given = {
            "spatial_dims": data.sampling.spatial_dims,
            "in_channels": data.sampling.slices * (2 if data.second else 1),
            "out_channels": len(data.structures) + 1,
        }
        return completed(config, given)

    def card(self, config: SegmentationConfig, trained: Trained) -> tuple[Card, dict[str, Tensor]]:
        """The card of the network."""
        data, text = config.data, config.bundle
        sources = tuple(
            data_source(source, source.name, volumes)
            for name, domain in (("image", data.image), ("second", data.second))
            if domain is not None
            for source, volumes in zip(domain.sources, trained.account["volumes"][name], strict=True)
            if volumes
        )
        card = Card(
            **text.model_dump(),
            task="segment",
            input=channel_of(data.image, output=False),
            second=channel_of(data.second, output=False) if data.second else None,
            output=LabelChannel(labels={"background": 0, **{n: i for i, n in enumerate(data.structures, 1)}}),
            network=NetworkSpec(name=config.network.name, arguments=self.arguments(config)),
            spatial=spatial_of(data.sampling, trained.network),
            coverage=Coverage(
                anatomy=config.coverage.anatomy,
                field_of_view_mm=config.coverage.field_of_view_mm,
                value_range=data.image.value_range,
            ),
            precision=Precision(tolerance=0),
            training=training_of(config, trained, sources),
            licence=licence_of(config),
            limits=(*config.limits, *trained.account["notes"]),
        )
        return card, trained.state


def _labelled(library: Library) -> Library:
    """The library, if every volume has a label map; one without would teach that nothing is there."""
    if any(stack.labels is None for stack in library.stacks):
        raise ConfigError("A volume has no label map; give each image one, in the table or by 'labels'.")
    return library


def _with_partners(image: Library, second: Library | None) -> tuple[Library, tuple[str, ...]]:
    """Those of whom there is a second image, if one is wanted; and a sentence on how many are left out."""
    if second is None:
        return image, ()
    both = {id(one) for one, _ in pairs_of(image, second)}
    kept = tuple(stack for stack in image.stacks if id(stack) in both)
    missing = len(image.stacks) - len(kept)
    note = (f"{missing} subjects have no second image; they are left out.",) if missing else ()
    return replace(image, stacks=kept), note


class UNetWeights(Weights):
    """Loss weights, and how the training is watched; see the module's text."""

    lambda_dice: float = Field(default=1.0, ge=0)
    validate_every: int = Field(default=100, ge=1)
    patience: int = Field(default=10, ge=1)


class UNetMethod(Method):
    """See the module's text.

    Attributes:
        best: the weights that are exported.
        best_dice: their mean Dice on the validation slices; below 0 where none has been tried.
        waited: trials since.
    """

    family = Segmentation()
    weights_class = UNetWeights
    config: SegmentationConfig
    weights: UNetWeights

    def __init__(self, config: SegmentationConfig) -> None:
        super().__init__(config)
        self.best = copy.deepcopy(self.mean)
        self.best_dice, self.waited = -1.0, 0

    @classmethod
    def check(cls, config: SegmentationConfig) -> None:
        """Refuse other networks."""
        if config.network.name != NETWORK:
            raise ConfigError(
                f"Method {config.method!r} trains the network {NETWORK!r}, not {config.network.name!r}; "
                "correct network.name."
            )

    @classmethod
    def exported(cls, config: SegmentationConfig, run: dict[str, Any]) -> str:
        """The best of those tried; the running mean where none has been."""
        return super().exported(config, run) if run["method"]["best_dice"] < 0 else "best"

    @classmethod
    def build(cls, config: SegmentationConfig) -> dict[str, nn.Module]:
        """The one network."""
        network = build_network(config.network.name, cls.family.arguments(config))
        patch, smallest = config.data.sampling.patch, 2 * int(getattr(network, "divisor", 1))
        if patch < smallest:
            raise ConfigError(
                f"Patches of {patch} pixels are too small for the U-Net's down-samplings; set sampling.patch "
                f"to {smallest} or more, or lower network.arguments.levels."
            )
        return {"network": network}

    def optimised(self) -> list[Iterable[nn.Parameter]]:
        """The network."""
        return [self.generators.parameters()]

    def step(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """One step of the network."""
        logits = self.generators["network"](batch["image"]).float()
        entropy = label_cross_entropy(logits, batch["labels"])
        dice = soft_dice_loss(logits, batch["labels"])
        self.descend(entropy + self.weights.lambda_dice * dice, self.optimizers())
        return {"entropy": entropy.detach(), "dice_loss": dice.detach()}

    def after_step(self) -> dict[str, Tensor]:
        """Try the running mean on what is held out, every so often."""
        last = self.iteration >= self.config.schedule.total
        if self.validation is None or (self.iteration % self.weights.validate_every and not last):
            return {}
        dice = self.validation_dice()
        if dice > self.best_dice:
            self.best_dice, self.waited = dice, 0
            self.best.load_state_dict(self.mean.state_dict())
        else:
            self.waited += 1
        return {"validation_dice": torch.tensor(dice)}

    @property
    def done(self) -> bool:
        """Whether enough trials brought nothing better."""
        return self.waited >= self.weights.patience

    @torch.no_grad()
    def validation_dice(self) -> float:
        """Mean over structures of the Dice of all validation slices together."""
        assert self.validation is not None
        network = self.mean["network"]
        images, labels = (self.validation[key].to(self.device) for key in ("image", "labels"))
        found = torch.cat([network(part).argmax(1) for part in images.split(8)])
        true = labels.argmax(1)
        scores = []
        for label in range(1, labels.shape[1]):
            a, b = found == label, true == label
            if (size := int(a.sum() + b.sum())) > 0:
                scores.append(2 * int((a & b).sum()) / size)
        return float(np.mean(scores)) if scores else 0.0

    def method_state(self) -> dict[str, Any]:
        """Where the watching stands."""
        return {"best_dice": self.best_dice, "waited": self.waited}

    def restore_method_state(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.best_dice, self.waited = state["best_dice"], state["waited"]

    def headings(self, picture: str, columns: int) -> list[str]:
        """Of ``show``."""
        return ["image", "found", "true"]

    @torch.no_grad()
    def show(self, batch: dict[str, Tensor]) -> dict[str, list[Tensor]]:
        """Image, labels found, labels."""
        found = self.mean["network"](batch["image"]).argmax(1, keepdim=True)
        true = batch["labels"].argmax(1, keepdim=True)
        count = batch["labels"].shape[1] - 1
        place = self.config.data.sampling.neighbours
        shown = [batch["image"][:, place : place + 1], *(x.float() / count * 2 - 1 for x in (found, true))]
        return {"network": [x if x.ndim == 4 else x[:, :, x.shape[2] // 2] for x in shown]}
