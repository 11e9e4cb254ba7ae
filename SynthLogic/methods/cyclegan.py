"""CycleGAN: unpaired translation both ways (Zhu et al. 2017; papers 2 and 3 use it as their baseline).

Two generators G: a -> b and F: b -> a, two PatchGAN discriminators, and

    L(G, F) = LSGAN(G, D_b) + LSGAN(F, D_a)
              + lambda_cycle [ |F(G(x_a)) - y_a|_1 + |G(F(x_b)) - y_b|_1 ]
              + lambda_identity [ |G(x_b) - y_b|_1 + |F(x_a) - y_a|_1 ]
              + lambda_gc       1/2 [ 1 - GC(y_a, G(x_a)) + 1 - GC(y_b, F(x_b)) ]
              + lambda_tissue   [ T_b(G(x_a)) + T_a(F(x_b)) ]

GC is gradient consistency (paper 2, eq. 2 to 4), as published or for any contrast. The method "cyclegan-gc"
is this one with that paper's weights.

With ``data.masks`` every image has masks as further channels, in and out: cycle, identity and discriminators
see them too, so where the anatomy shifts the label shifts with it. The method "cyclegan-mask" is this one,
and insists on them (paper 1). GC and T look at images alone.

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

# From which domain the image of another is made.
_OTHER = {"a": "b", "b": "a"}


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
    """See the module's text. Two optimisers: both generators, both discriminators.

    A subclass may send images through its generators in several ways: ``given`` is the one whose output a
    user gets, ``judged`` the one whose output the discriminators see.
    """

    weights_class: ClassVar[type[CycleGanWeights]] = CycleGanWeights
    given: ClassVar[str] = "cycle"
    judged: ClassVar[str] = "cycle"

    def __init__(self, config: TranslationConfig) -> None:
        super().__init__(config)
        data = config.data
        self.discriminators = nn.ModuleDict(
            {
                d: patch_discriminator(config, data.sampling.spatial_dims, data.channels, data.sampling.patch)
                for d in ("a", "b")
            }
        )
        groups = len(data.label_groups)
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

    @property
    def incomplete_until(self) -> int:
        """The tissue loss is alone at first."""
        return self.weights.tissue_first

    def optimised(self) -> list[Iterable[nn.Parameter]]:
        """Generators, discriminators."""
        return [self.generators.parameters(), self.discriminators.parameters()]

    def step(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Generators first, then discriminators on the same fakes, exchanged with the pools."""
        generators, discriminators = self.optimizers()
        self.discriminators.requires_grad_(False)
        if self.iteration < self.weights.tissue_first:
            tissue = self.tissue(batch, self.translate(batch, self.given))
            self.descend(self.weights.lambda_tissue * tissue, generators)
            return {"tissue": tissue.detach()}
        fakes = {way: self.translate(batch, way) for way in dict.fromkeys((self.given, self.judged))}
        losses = self.losses(batch, fakes)
        total = torch.stack([weight * loss for weight, loss in losses.values()]).sum()
        self.descend(total, generators)

        self.discriminators.requires_grad_(True)
        seen = fakes[self.judged]
        judged = torch.stack(
            [self.judge(d, batch[f"{d}_target"], seen[d].detach()) for d in ("a", "b")]
        ).sum()
        self.descend(judged, discriminators)
        shown = {name: loss.detach() for name, (_, loss) in losses.items()}
        return {"generators": total.detach(), **shown, "discriminators": judged.detach()}

    def losses(
        self, batch: dict[str, Tensor], fakes: dict[str, dict[str, Tensor]]
    ) -> dict[str, tuple[float, Tensor]]:
        """The generators' losses by name, each with its weight.

        Args:
            batch: see ``SynthLogic.data.batches``.
            fakes: for each way the fakes of both domains.
        """
        weights, given = self.weights, fakes[self.given]
        found = {"adversarial": (1.0, self.adversarial(fakes[self.judged]))}
        found["cycle"] = (weights.lambda_cycle, self.cycle(batch, given, self.given))
        if weights.lambda_identity:
            found["identity"] = (weights.lambda_identity, self.identity(batch))
        if weights.lambda_gc:
            found["gc"] = (weights.lambda_gc, self.gradient_consistency(batch, given))
        if weights.lambda_tissue:
            found["tissue"] = (weights.lambda_tissue, self.tissue(batch, given))
        return found

    def through(self, direction: str, x: Tensor, way: str) -> Tensor:
        """``x`` through the generator of a direction."""
        return self.generators[direction](x)

    def translate(self, batch: dict[str, Tensor], way: str) -> dict[str, Tensor]:
        """The fakes of both domains, by the domain that they should belong to."""
        return {d: self.through(f"{o}_to_{d}", batch[f"{o}_input"], way) for d, o in _OTHER.items()}

    def cycle(self, batch: dict[str, Tensor], fakes: dict[str, Tensor], way: str) -> Tensor:
        """Both ways round, as far from the clean targets as they are."""
        back = {o: self.through(f"{d}_to_{o}", fakes[d], way) for d, o in _OTHER.items()}
        return torch.stack([cycle_loss(batch[f"{d}_target"], back[d]) for d in ("a", "b")]).sum()

    def identity(self, batch: dict[str, Tensor]) -> Tensor:
        """What is of the generator's own target domain should stay as it is."""
        same = {d: self.through(f"{o}_to_{d}", batch[f"{d}_input"], self.given) for d, o in _OTHER.items()}
        return torch.stack([identity_loss(batch[f"{d}_target"], same[d]) for d in ("a", "b")]).sum()

    def adversarial(self, fakes: dict[str, Tensor]) -> Tensor:
        """Generators' adversarial loss, both directions."""
        return torch.stack([generator_loss(self.discriminators[d](fakes[d])[-1]) for d in ("a", "b")]).sum()

    def gradient_consistency(self, batch: dict[str, Tensor], fakes: dict[str, Tensor]) -> Tensor:
        """Mean over both directions of 1 - GC between an image and its translation (paper 2, eq. 4)."""
        loss = gradient_consistency_loss if self.weights.gc == "published" else edge_consistency_loss
        found = [loss(self.slices(batch[f"{o}_target"]), self.slices(fakes[d])) for d, o in _OTHER.items()]
        return torch.stack(found).mean()

    def tissue(self, batch: dict[str, Tensor], fakes: dict[str, Tensor]) -> Tensor:
        """Tissue loss of both fakes; a fake has the labels of the subject that it was made from."""
        for domain in ("a", "b"):
            statistics = cast(TissueLoss, self.tissues[domain])
            statistics.update(self.middle(batch[f"{domain}_target"]), batch[f"{domain}_labels"])
        found = [self.tissues[d](self.middle(fakes[d]), batch[f"{o}_labels"]) for d, o in _OTHER.items()]
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


class MaskedCycleGan(CycleGan):
    """CycleGAN of an image and its masks together (Chartsias et al. 2017)."""

    @classmethod
    def check(cls, config: TranslationConfig) -> None:
        """Refuse data without masks."""
        super().check(config)
        if not config.data.masks:
            raise ConfigError(
                f"Method {config.method!r} translates images with masks; name them in data.masks, such as "
                "'myocardium: [2]'."
            )
