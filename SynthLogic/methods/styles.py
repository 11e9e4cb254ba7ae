"""Middle and spread of the style codes that belong to each named style, gathered while training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from SynthLogic.networks.spade_generator import SpadeGenerator

# Codes move while the encoder learns, so that old ones are forgotten after about so many.
_MEMORY = 500
_LEAST_VARIANCE = 1e-6


class StyleBook(nn.Module):
    """Running mean and covariance for each style.

    Together, because the numbers of a code belong together: drawn one by one, they make looks that no scan of
    the style has.

    Args:
        styles: how many.
        length: numbers of a code.
        memory: after how many codes old ones are forgotten.
    """

    means: Tensor
    products: Tensor
    seen: Tensor

    def __init__(self, styles: int, length: int, memory: int = _MEMORY) -> None:
        super().__init__()
        self.memory = memory
        self.register_buffer("means", torch.zeros(styles, length))
        self.register_buffer("products", torch.eye(length).repeat(styles, 1, 1))
        self.register_buffer("seen", torch.zeros(styles))

    @torch.no_grad()
    def take_in(self, codes: Tensor, styles: Tensor) -> None:
        """Remember codes (N, length), the means of what the encoder thinks, of the styles (N,)."""
        for code, style in zip(codes.float(), styles.tolist(), strict=True):
            self.seen[style] += 1
            part = 1 / min(float(self.seen[style]), self.memory)
            self.means[style].lerp_(code, part)
            self.products[style].lerp_(code.outer(code), part)

    @torch.no_grad()
    def write_into(self, *networks: SpadeGenerator) -> None:
        """Set ``style_means`` and ``style_spreads`` of networks."""
        covariance = self.products - self.means[:, :, None] * self.means[:, None]
        variances, axes = torch.linalg.eigh(covariance.double())
        spreads = axes * variances.clamp(min=_LEAST_VARIANCE).sqrt()[:, None]
        for network in networks:
            network.get_buffer("style_means").copy_(self.means)
            network.get_buffer("style_spreads").copy_(spreads)
