"""SPADE: labels and a style become an image (Park et al. 2019; on hearts Amirrajab et al. 2022, paper 4).

    L(G) = GAN + lambda_feature FM + lambda_style KLD + lambda_image L1 [+ lambda_edge E] [+ lambda_obey S]

The GAN judges labels and image together, at several sizes, with hinge or least squares. FM compares what the
discriminators see in painted and in real images. The style comes from the encoder: for the first half of a
batch from the very image, where L1 compares (GauGAN's VGG loss needs weights that we do not ship); for the
second half from another slice of the same stack, so that a style says how a scan looks and not what is where.
KLD keeps styles near a standard Gaussian. The mean and spread of each named style are gathered on the way.

S is not published: a small segmentation network learns on the real images and must find the labels in the
painted ones. Slices of which some structure is not labelled neither teach it nor are looked at by it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import torch
from monai.networks.nets import SegResNet
from pydantic import Field
from torch import Tensor, nn

from SynthLogic.losses import (
    discriminator_loss,
    edge_loss,
    feature_matching_loss,
    generator_loss,
    hinge_discriminator_loss,
    hinge_generator_loss,
    label_cross_entropy,
    standard_divergence,
)
from SynthLogic.methods.base import Weights
from SynthLogic.methods.discriminators import ScalesDiscriminator
from SynthLogic.methods.hearts import HeartConfig, HeartFamily, HeartMethod, as_grey
from SynthLogic.methods.styles import StyleBook
from SynthLogic.networks.spade_generator import SpadeGenerator

_CONTESTS = {
    "hinge": (hinge_generator_loss, hinge_discriminator_loss),
    "least-squares": (generator_loss, discriminator_loss),
}


class SpadeWeights(Weights):
    """Published: lambda_feature 10, lambda_style 0.05 (GauGAN). The rest is ours."""

    lambda_adversarial: float = Field(default=1.0, ge=0)
    lambda_feature: float = Field(default=10.0, ge=0)
    lambda_image: float = Field(default=10.0, ge=0)
    lambda_edge: float = Field(default=0.0, ge=0)
    lambda_style: float = Field(default=0.05, ge=0)
    lambda_obey: float = Field(default=0.0, ge=0)


class Spade(HeartMethod):
    """See the module's text. Optimisers: painter, discriminators, and the segmenter if there is one."""

    family = HeartFamily(images=True)
    network_name = "spade-generator"
    weights_class = SpadeWeights

    def __init__(self, config: HeartConfig) -> None:
        super().__init__(config)
        painter = cast(SpadeGenerator, self.generators["network"])
        d = config.discriminator
        self.discriminators = ScalesDiscriminator(config, d.scales, painter.labels + 1)
        self.fool, self.tell = _CONTESTS[d.loss]
        self.styles = StyleBook(painter.styles, painter.style)
        self.segmenter = (
            SegResNet(spatial_dims=2, init_filters=8, in_channels=1, out_channels=painter.labels)
            if self.weights.lambda_obey
            else None
        )

    def optimised(self) -> list[Iterable[nn.Parameter]]:
        """Painter with its style encoder, discriminators, segmenter."""
        groups: list[Iterable[nn.Parameter]] = [
            self.generators.parameters(),
            self.discriminators.parameters(),
        ]
        return groups if self.segmenter is None else [*groups, self.segmenter.parameters()]

    def step(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The segmenter, then the painter, then the discriminators on the same image."""
        painter, weights = cast(SpadeGenerator, self.generators["network"]), self.weights
        labels, real = batch["labels"], batch["image"]
        optimisers: list[Any] = self.optimizers()
        losses: dict[str, Tensor] = {}
        if self.segmenter is not None:
            losses["segmenter"] = self.found(real, batch)
            self.descend(losses["segmenter"], optimisers[2])

        own = (len(real) + 1) // 2
        shown = torch.cat([real[:own], batch["other"][own:]])
        shown_labels = torch.cat([labels[:own], batch["other_labels"][own:]])
        mean, log_variance = painter.encode_style(shown, shown_labels)
        style = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        self.styles.take_in(mean.detach(), batch["style"])
        fake = painter(labels, style)

        of_real = self.discriminators(torch.cat([labels, real], 1))
        self.discriminators.requires_grad_(False)
        of_fake = self.discriminators(torch.cat([labels, fake], 1))
        losses["adversarial"] = torch.stack([self.fool(layers[-1]) for layers in of_fake]).mean()
        losses["feature"] = feature_matching_loss(
            [layers[:-1] for layers in of_real], [layers[:-1] for layers in of_fake]
        )
        losses["style"] = standard_divergence(mean, log_variance)
        losses["image"] = (fake[:own].float() - real[:own]).abs().mean()
        if weights.lambda_edge:
            losses["edge"] = edge_loss(fake[:own], real[:own])
        if self.segmenter is not None:
            self.segmenter.requires_grad_(False)
            losses["obey"] = self.found(fake, batch)
        terms = ("adversarial", "feature", "style", "image", "edge", "obey")
        total = torch.stack([getattr(weights, f"lambda_{t}") * losses[t] for t in terms if t in losses]).sum()
        self.descend(total, optimisers[0])
        if self.segmenter is not None:
            self.segmenter.requires_grad_(True)

        self.discriminators.requires_grad_(True)
        of_fake = self.discriminators(torch.cat([labels, fake.detach()], 1))
        losses["discriminators"] = torch.stack(
            [self.tell(one[-1], other[-1]) for one, other in zip(of_real, of_fake, strict=True)]
        ).mean()
        self.descend(losses["discriminators"], optimisers[1])
        self.styles.write_into(painter, cast(SpadeGenerator, self.mean["network"]))
        return {"painter": total.detach(), **{name: loss.detach() for name, loss in losses.items()}}

    def found(self, image: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """The segmenter's loss on images (N, 1, J, I) of the batch's labels, where all labels are there."""
        assert self.segmenter is not None
        whole = batch["complete"].all(1)
        if not whole.any():
            return image.new_zeros((), requires_grad=True) * image.float().sum()
        return label_cross_entropy(self.segmenter(image[whole]), batch["labels"][whole])

    def headings(self, picture: str, columns: int) -> list[str]:
        """See ``show``."""
        styles = [style.name for style in self.config.data.styles]
        return ["labels", "image", "own style", "other slice's", *styles]

    @torch.no_grad()
    def show(self, batch: dict[str, Tensor]) -> dict[str, list[Tensor]]:
        """Labels, image, painted in its own style, in that of another slice, and in each named style."""
        painter, labels = cast(SpadeGenerator, self.mean["network"]), batch["labels"]
        codes = [
            painter.encode_style(batch["image"], labels)[0],
            painter.encode_style(batch["other"], batch["other_labels"])[0],
        ]
        codes += [style.expand(len(labels), -1) for style in painter.get_buffer("style_means")]
        return {"images": [as_grey(labels), batch["image"], *(painter(labels, code) for code in codes)]}
