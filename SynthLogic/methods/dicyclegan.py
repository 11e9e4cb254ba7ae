"""DicycleGAN: unpaired translation where one domain is deformed against the other (Wang 2018; paper 3).

A generator has two ways (``SynthLogic.networks.dicycle_generator``): G_T(x) may lie as the other domain does
and is what the discriminators judge; G(x) lies as x does and is what a user gets. To CycleGAN's loss, with
its contest on G_T and its cycle on G, come

    lambda_align   [ 2 - NMI(y_a, G(x_a)) - NMI(y_b, F(x_b)) ]                       (eq. 1)
    lambda_dicycle [ |F_T(G_T(x_a)) - y_a|_1 + |G_T(F_T(x_b)) - y_b|_1 ]             (eq. 3)
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from SynthLogic.errors import ConfigError
from SynthLogic.losses import alignment_loss
from SynthLogic.methods.cyclegan import CycleGan, CycleGanWeights
from SynthLogic.methods.translation import TranslationConfig

NETWORK = "dicycle-generator"


class DicycleGanWeights(CycleGanWeights):
    """Published: 10, 10 and 0.9."""

    lambda_dicycle: float = Field(default=10.0, ge=0)
    lambda_align: float = Field(default=0.9, ge=0)


class DicycleGan(CycleGan):
    """See the module's text."""

    weights_class = DicycleGanWeights
    judged: ClassVar[str] = "dicycle"
    weights: DicycleGanWeights

    @classmethod
    def check(cls, config: TranslationConfig) -> None:
        """Refuse a generator that has one way only."""
        super().check(config)
        if config.network.name != NETWORK:
            raise ConfigError(
                f"Method {config.method!r} trains the network {NETWORK!r}, not {config.network.name!r}; "
                "correct network.name."
            )

    def through(self, direction: str, x: Tensor, way: str) -> Tensor:
        """With offsets where the way is the deformed one."""
        return self.generators[direction](x, deformed=way == self.judged)

    def losses(
        self, batch: dict[str, Tensor], fakes: dict[str, dict[str, Tensor]]
    ) -> dict[str, tuple[float, Tensor]]:
        """Those of CycleGAN, the deformed cycle and the alignment."""
        found, given = super().losses(batch, fakes), fakes[self.given]
        deformed = self.cycle(batch, fakes[self.judged], self.judged)
        found["dicycle"] = (self.weights.lambda_dicycle, deformed)
        if self.weights.lambda_align:
            a, b = (self.slices(batch[f"{d}_target"]) for d in ("a", "b"))
            align = alignment_loss(a, self.slices(given["b"]), b, self.slices(given["a"]))
            found["align"] = (self.weights.lambda_align, align)
        return found
