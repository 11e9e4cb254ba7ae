"""pix2pix: paired translation, judged together with its input (Isola et al. 2017; in the lecture of paper 5).

    L(G) = contest(G, D(x, G(x))) + lambda_image |G(x) - y|_1

The paper's contest is the cross-entropy; the least squares of papers 2 and 3 are the default here, since they
give gradients where a discriminator is sure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from SynthLogic.losses import discriminator_loss, generator_loss
from SynthLogic.methods.discriminators import patch_discriminator
from SynthLogic.methods.supervised import Supervised, SupervisedWeights
from SynthLogic.methods.translation import TranslationConfig


class Pix2PixWeights(SupervisedWeights):
    """Published: lambda_image 100, contest "cross-entropy"."""

    lambda_image: float = Field(default=100.0, gt=0)
    contest: Literal["least-squares", "cross-entropy"] = "least-squares"


class Pix2Pix(Supervised):
    """See the module's text. Two optimisers: generator, discriminator."""

    weights_class = Pix2PixWeights
    weights: Pix2PixWeights

    def __init__(self, config: TranslationConfig) -> None:
        super().__init__(config)
        data = config.data
        self.discriminator = patch_discriminator(
            config, data.sampling.spatial_dims, 2 * data.channels, data.sampling.patch
        )

    def optimised(self) -> list[Iterable[nn.Parameter]]:
        """Generator, discriminator."""
        return [self.generators.parameters(), self.discriminator.parameters()]

    def step(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Generator first, then the discriminator on the same fake."""
        generator, discriminator = self.optimizers()
        (direction,) = self.generators
        x, y = batch[f"{direction[0]}_input"], batch[f"{direction[-1]}_target"]

        self.discriminator.requires_grad_(False)
        fake = self.generators[direction](x)
        adversarial = self.contest(self.scores(x, fake), None)
        image = (fake.float() - y).abs().mean()
        self.descend(adversarial + self.weights.lambda_image * image, generator)

        self.discriminator.requires_grad_(True)
        judged = self.contest(self.scores(x, y), self.scores(x, fake.detach()))
        self.descend(judged, discriminator)
        return {
            "image": image.detach(),
            "adversarial": adversarial.detach(),
            "discriminator": judged.detach(),
        }

    def scores(self, x: Tensor, y: Tensor) -> Tensor:
        """Of outputs y (N, C, *spatial) beside their inputs x."""
        return self.discriminator(torch.cat([x.to(y.dtype), y], 1))[-1]

    def contest(self, taken_for_real: Tensor, taken_for_fake: Tensor | None) -> Tensor:
        """The generator's loss of its scores; with those of fakes, the discriminator's of both."""
        if self.weights.contest == "least-squares":
            if taken_for_fake is None:
                return generator_loss(taken_for_real)
            return discriminator_loss(taken_for_real, taken_for_fake)
        real = functional.softplus(-taken_for_real.float()).mean()
        if taken_for_fake is None:
            return real
        return 0.5 * (real + functional.softplus(taken_for_fake.float()).mean())
