"""Mean and spread of the style codes that belong to each named style, gathered while training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from SynthLogic.networks.spade_generator import SpadeGenerator

# Codes move while the encoder learns, so that old ones are forgotten after about so many.
_MEMORY = 500


class StyleBook(nn.Module):
    """Running mean and standard deviation for each style.

    Args:
        styles: how many.
        length: numbers of a code.
    """

    means: Tensor
    squares: Tensor
    seen: Tensor

    def __init__(self, styles: int, length: int) -> None:
        super().__init__()
        self.register_buffer("means", torch.zeros(styles, length))
        self.register_buffer("squares", torch.ones(styles, length))
        self.register_buffer("seen", torch.zeros(styles))

    @torch.no_grad()
    def take_in(self, codes: Tensor, styles: Tensor) -> None:
        """Remember codes (N, length) of the styles (N,)."""
        for code, style in zip(codes, styles.tolist(), strict=True):
            self.seen[style] += 1
            part = 1 / min(float(self.seen[style]), _MEMORY)
            self.means[style].lerp_(code, part)
            self.squares[style].lerp_(code.square(), part)

    @torch.no_grad()
    def write_into(self, network: SpadeGenerator) -> None:
        """Set the network's ``style_means`` and ``style_spreads``."""
        network.get_buffer("style_means").copy_(self.means)
        network.get_buffer("style_spreads").copy_((self.squares - self.means.square()).clamp(min=1e-6).sqrt())
