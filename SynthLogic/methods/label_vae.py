"""Label VAE: a slice of labels becomes a short vector; between two vectors lies a way between hearts.

As in paper 4 (Amirrajab et al. 2022): 2D, on one-hot label slices, with

    L = lambda_cross_entropy CE + beta KLD [+ lambda_dice (1 - Dice)] [+ lambda_between H(between)]

CE is the cross-entropy per pixel with ``heart_weight`` for everything but background, KLD the divergence of
the code from a standard Gaussian summed over its numbers, whose weight rises from 0 over ``warm_up``
iterations. The paper gives no weights; these are ours. H is not published: it asks that what is decoded
between the codes of two slices of about the same height be as decided as a label map (``losses/doubt.py``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from pydantic import Field
from torch import Tensor, nn

from SynthLogic.losses import doubt, label_cross_entropy, soft_dice_loss, standard_divergence
from SynthLogic.methods.base import Weights
from SynthLogic.methods.hearts import HeartConfig, HeartFamily, HeartMethod, as_grey, drawn
from SynthLogic.networks.label_vae import LabelVae


class LabelVaeWeights(Weights):
    """See the module's text."""

    lambda_cross_entropy: float = Field(default=1.0, gt=0)
    beta: float = Field(default=1e-4, ge=0)
    warm_up: int = Field(default=500, ge=0)
    lambda_dice: float = Field(default=0.1, ge=0)
    lambda_between: float = Field(default=0.0, ge=0)
    heart_weight: float = Field(default=2.0, gt=0)


class LabelVaeMethod(HeartMethod):
    """See the module's text. One optimiser."""

    family = HeartFamily(images=False)
    network_name = "label-vae"
    weights_class = LabelVaeWeights
    label_weights: Tensor

    def __init__(self, config: HeartConfig) -> None:
        super().__init__(config)
        weights = torch.full((cast(LabelVae, self.generators["network"]).labels,), self.weights.heart_weight)
        weights[0] = 1
        self.register_buffer("label_weights", weights, persistent=False)

    def optimised(self) -> list[Iterable[nn.Parameter]]:
        """The network."""
        return [self.generators.parameters()]

    def step(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """One step down the loss."""
        vae, weights, labels = cast(LabelVae, self.generators["network"]), self.weights, batch["labels"]
        logits, mean, log_variance = vae(labels)
        losses = {
            "cross_entropy": label_cross_entropy(logits, labels, self.label_weights),
            "divergence": standard_divergence(mean, log_variance),
        }
        beta = weights.beta * min(1.0, (self.iteration + 1) / max(weights.warm_up, 1))
        total = weights.lambda_cross_entropy * losses["cross_entropy"] + beta * losses["divergence"]
        if weights.lambda_dice:
            losses["dice"] = soft_dice_loss(logits, labels)
            total = total + weights.lambda_dice * losses["dice"]
        if weights.lambda_between:
            losses["between"] = doubt(vae.decode(self.between(mean, batch["height"])))
            total = total + weights.lambda_between * losses["between"]
        self.descend(total, self.optimizers())
        return {"total": total.detach(), **{name: loss.detach() for name, loss in losses.items()}}

    @staticmethod
    def between(codes: Tensor, heights: Tensor) -> Tensor:
        """Codes on the straight way from each slice to the one that is next higher, at a drawn place."""
        order = heights.argsort(stable=True)
        one, other = codes[order[:-1]], codes[order[1:]]
        return torch.lerp(one, other, torch.rand(len(one), 1, device=codes.device))

    def headings(self, picture: str, columns: int) -> list[str]:
        """See ``show``."""
        return ["labels", "again", "1/4 to next", "1/2 to next", "3/4 to next"]

    @torch.no_grad()
    def show(self, batch: dict[str, Tensor]) -> dict[str, list[Tensor]]:
        """Labels, their reconstruction, a quarter, half and three quarters on the way to the next row's."""
        vae = cast(LabelVae, self.mean["network"])
        codes, _ = vae.encode(batch["labels"])
        others = codes.roll(-1, 0)
        ways = [drawn(vae.decode(torch.lerp(codes, others, part))) for part in (0, 0.25, 0.5, 0.75)]
        return {"labels": [as_grey(batch["labels"]), *ways]}
