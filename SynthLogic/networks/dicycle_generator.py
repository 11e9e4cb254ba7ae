"""Generator of DicycleGAN: the ResNet generator with offset layers that can be left out."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from SynthLogic.networks.offset import OffsetLayer
from SynthLogic.networks.resnet_generator import ResnetGenerator


class DicycleGenerator(ResnetGenerator):
    """One set of weights, two ways through (Wang et al. 2018, section 2).

    With offsets, G_T(x) = G(x | theta, theta_T) may lie as the other domain does; without them,
    G(x) = G(x | theta) lies as its input does, and is what a user gets. Offset layers stand in front of the
    first convolution, of both that go down, and of the first residual blocks.

    Args:
        offset_blocks: residual blocks with an offset layer in front.
        arguments: those of ``ResnetGenerator``.

    Raises:
        ValueError: more offset blocks than residual blocks; see also ``ResnetGenerator``.
    """

    def __init__(self, *, offset_blocks: int = 1, **arguments: Any) -> None:
        super().__init__(**arguments)
        if not 0 <= offset_blocks <= len(self.trunk):
            raise ValueError(f"offset_blocks is {offset_blocks}; there are {len(self.trunk)} residual blocks")
        dims, features = arguments.get("spatial_dims", 2), arguments.get("features", 64)
        before = [arguments.get("in_channels", 1), features, 2 * features, *[4 * features] * offset_blocks]
        # theta_T: nothing else is trained by the deformed way alone.
        self.offsets = nn.ModuleList(OffsetLayer(dims, channels) for channels in before)

    def forward(self, x: Tensor, deformed: bool = False) -> Tensor:
        """Map (N, in_channels, *spatial) to (N, out_channels, *spatial), both in [-1, 1].

        Args:
            x: image.
            deformed: through the offset layers, G_T(x), or around them, G(x).
        """
        layers = [*self.encoder, *self.trunk]
        kept = []
        for number, layer in enumerate(layers):
            if deformed and number < len(self.offsets):
                x = self.offsets[number](x)
            x = layer(x)
            if number < len(self.encoder):
                kept.append(x)
        return self.decode(x, kept)
