"""The generator alone, trained on pairs with L1: what translation could be if registered pairs existed.

The yardstick of the benchmark, with the same generator, patches and corruptions as the unpaired methods.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field
from torch import Tensor, nn

from SynthLogic.errors import ConfigError
from SynthLogic.methods.base import Weights
from SynthLogic.methods.translation import Direction, TranslationConfig, TranslationMethod


class SupervisedWeights(Weights):
    """L1 against the truth."""

    lambda_image: float = Field(default=1.0, gt=0)


class Supervised(TranslationMethod):
    """L = lambda_image |G(x_a) - y_b|_1, or the other way round: the bundle that is named decides."""

    needs_pairs = True
    weights_class = SupervisedWeights

    @classmethod
    def directions(cls, config: TranslationConfig) -> tuple[Direction, ...]:
        """The one direction for which a bundle is named."""
        if len(config.bundles) != 1:
            raise ConfigError(f"Method {config.method!r} trains one direction; name one bundle.")
        return tuple(config.bundles)

    def optimised(self) -> list[Iterable[nn.Parameter]]:
        """The generator."""
        return [self.generators.parameters()]

    def step(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """One step of the generator."""
        optimiser = self.optimizers()
        (direction,) = self.generators
        output = self.generators[direction](batch[f"{direction[0]}_input"])
        image = (output.float() - batch[f"{direction[-1]}_target"]).abs().mean()
        self.descend(self.weights.lambda_image * image, optimiser)
        return {"image": image.detach()}
