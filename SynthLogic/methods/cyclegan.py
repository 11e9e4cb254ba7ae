"""CycleGAN: unpaired translation both ways (Zhu et al. 2017; papers 2 and 3 use it as their baseline).

Two generators G: a -> b and F: b -> a, two PatchGAN discriminators, and

    L(G, F) = LSGAN(G, D_b) + LSGAN(F, D_a)
              + lambda_cycle [ |F(G(x_a)) - y_a|_1 + |G(F(x_b)) - y_b|_1 ]
              + lambda_identity [ |G(x_b) - y_b|_1 + |F(x_a) - y_a|_1 ]
              + lambda_gc       1/2 [ 1 - GC(y_a, G(x_a)) + 1 - GC(y_b, F(x_b)) ]
              + lambda_tissue   [ T_b(G(x_a)) + T_a(F(x_b)) ]

GC is gradient consistency (paper 2, eq. 2 to 4), as published or for any contrast. The method "cyclegan-gc"
is this one with that paper's weights.

T is the optional loss of ``SynthLogic.losses.tissue`` for volumes that have label maps, which the generators
never see; it is not part of the published method. With ``tissue_first`` it alone teaches the generators for
that many iterations, at a third of the cost, before the rest joins in.

x are inputs as a scanner gives them, y their clean targets (see ``SynthLogic.data.batches``); with clean
inputs x = y and this is the published loss. Discriminators see y and generated images alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from SynthLogic.errors import ConfigError
from SynthLogic.losses import (
    TissueLoss,
    cycle_loss,
    discriminator_loss,
    edge_consistency_loss,
    generator_loss,
    gradient_consistency_loss,
    identity_loss,
)
from SynthLogic.methods.base import Weights
from SynthLogic.methods.discriminators import patch_discriminator
from SynthLogic.methods.pool import ImagePool
from SynthLogic.methods.translation import Direction, TranslationConfig, TranslationMethod


class CycleGanWeights(Weights):
    """Published: lambda_cycle 10 (Zhu), 3 (paper 2); lambda_identity 0.5 lambda_cycle where it is used.

    ``gc`` says which edges count as equal: "published" wants the same contrast, "any-contrast" does not.
    """

    lambda_cycle: float = Field(default=10.0, ge=0)
    lambda_identity: float = Field(default=0.0, ge=0)
    lambda_gc: float = Field(default=0.0, ge=0)
    gc: Literal["published", "any-contrast"] = "published"
    lambda_tissue: float = Field(default=0.0, ge=0)
    tissue_first: int = Field(default=0, ge=0)


class GradientConsistencyWeights(CycleGanWeights):
    """As paper 2 has them (Hiasa et al. 2018)."""

    lambda_cycle: float = Field(default=3.0, ge=0)
    lambda_gc: float = Field(default=0.3, ge=0)


class CycleGan(TranslationMethod):
    """See the module's text. Two optimisers: both generators, both discriminators."""

    weights_class: ClassVar[type[CycleGanWeights]] = CycleGanWeights

    def __init__(self, config: TranslationConfig) -> None:
        super().__init__(config)
        layers, patch = config.discriminator.layers, config.data.sampling.patch
        if patch < 3 * 2**layers:
            raise ConfigError(
                f"Discriminators of {layers} layers need patches of {3 * 2**layers} pixels at least; enlarge "
                "data.sampling.patch or lower discriminator.layers."
            )
        self.discriminators = nn.ModuleDict({d: patch_discriminator(config) for d in ("a", "b")})
        groups = len(config.data.label_groups)
        if self.weights.lambda_tissue and not groups:
            raise ConfigError("lambda_tissue needs label maps; name data.label_groups or set it to 0.")
        if self.weights.tissue_first and not self.weights.lambda_tissue:
            raise ConfigError("tissue_first needs the tissue loss; set lambda_tissue above 0.")
        self.tissues = nn.ModuleDict({d: TissueLoss(groups) for d in ("a", "b")})
        self.pools = {d: ImagePool(config.pool_size, config.seed + n) for n, d in enumerate(("a", "b"))}

    @classmethod
    def directions(cls, config: TranslationConfig) -> tuple[Direction, ...]:
        """Both."""
        return ("a_to_b", "b_to_a")

    def optimised(self) -> list[Iterable[nn.Parameter]]:
        """Generators, discriminators."""
        return [self.generators.parameters(), self.discriminators.parameters()]

    def step(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Generators first, then discriminators on the same fakes, exchanged with the pools."""
        generators, discriminators = self.optimizers()
        to_b, to_a = self.generators["a_to_b"], self.generators["b_to_a"]

        self.discriminators.requires_grad_(False)
        fakes = {"b": to_b(batch["a_input"]), "a": to_a(batch["b_input"])}
        if self.iteration < self.weights.tissue_first:
            tissue = self.tissue(batch, fakes)
            self.descend(self.weights.lambda_tissue * tissue, generators)
            return {"tissue": tissue.detach()}
        adversarial = self.adversarial(fakes)
        back = {"a": to_a(fakes["b"]), "b": to_b(fakes["a"])}
        cycle = torch.stack([cycle_loss(batch[f"{d}_target"], back[d]) for d in ("a", "b")]).sum()
        losses = {"adversarial": adversarial, "cycle": cycle}
        total = adversarial + self.weights.lambda_cycle * cycle
        if self.weights.lambda_identity:
            same = {"b": to_b(batch["b_input"]), "a": to_a(batch["a_input"])}
            identity = [identity_loss(batch[f"{d}_target"], same[d]) for d in ("a", "b")]
            losses["identity"] = torch.stack(identity).sum()
            total = total + self.weights.lambda_identity * losses["identity"]
        if self.weights.lambda_gc:
            losses["gc"] = self.gradient_consistency(batch, fakes)
            total = total + self.weights.lambda_gc * losses["gc"]
        if self.weights.lambda_tissue:
            losses["tissue"] = self.tissue(batch, fakes)
            total = total + self.weights.lambda_tissue * losses["tissue"]
        self.descend(total, generators)

        self.discriminators.requires_grad_(True)
        losses["discriminators"] = torch.stack(
            [self.judge(d, batch[f"{d}_target"], fakes[d].detach()) for d in ("a", "b")]
        ).sum()
        self.descend(losses["discriminators"], discriminators)
        return {"generators": total.detach(), **{name: loss.detach() for name, loss in losses.items()}}

    def adversarial(self, fakes: dict[str, Tensor]) -> Tensor:
        """Generators' adversarial loss, both directions."""
        return torch.stack([generator_loss(self.discriminators[d](fakes[d])[-1]) for d in ("a", "b")]).sum()

    def gradient_consistency(self, batch: dict[str, Tensor], fakes: dict[str, Tensor]) -> Tensor:
        """Mean over both directions of 1 - GC between an image and its translation (paper 2, eq. 4)."""
        loss = gradient_consistency_loss if self.weights.gc == "published" else edge_consistency_loss
        found = [loss(batch[f"{o}_target"], fakes[d]) for d, o in (("a", "b"), ("b", "a"))]
        return torch.stack(found).mean()

    def tissue(self, batch: dict[str, Tensor], fakes: dict[str, Tensor]) -> Tensor:
        """Tissue loss of both fakes; a fake has the labels of the subject that it was made from."""
        for domain in ("a", "b"):
            statistics = cast(TissueLoss, self.tissues[domain])
            statistics.update(batch[f"{domain}_target"], batch[f"{domain}_labels"])
        found = [self.tissues[d](fakes[d], batch[f"{o}_labels"]) for d, o in (("a", "b"), ("b", "a"))]
        return torch.stack(found).sum()

    def judge(self, domain: str, real: Tensor, fake: Tensor) -> Tensor:
        """One discriminator's loss; one pass for both halves: instance normalisation keeps images apart."""
        shown = torch.cat([real.to(fake.dtype), self.pools[domain].exchange(fake)])
        scores_of_real, scores_of_fake = self.discriminators[domain](shown)[-1].split(len(real))
        return discriminator_loss(scores_of_real, scores_of_fake)

    def method_state(self) -> dict[str, Any]:
        """The pools."""
        return {domain: pool.state() for domain, pool in self.pools.items()}

    def restore_method_state(self, state: dict[str, Any]) -> None:
        """The pools."""
        for domain, pool in self.pools.items():
            pool.restore(state[domain])


class GradientConsistentCycleGan(CycleGan):
    """CycleGAN with gradient consistency (Hiasa et al. 2018): lambda_cycle 3, lambda_gc 0.3."""

    weights_class = GradientConsistencyWeights
