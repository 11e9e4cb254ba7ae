"""Encoder and decoder with pre-activated residual blocks (Myronenko 2018), from MONAI, as a generator."""

from __future__ import annotations

from collections.abc import Sequence

from monai.networks.nets import SegResNet
from torch import Tensor

from SynthLogic.networks.last_layer import bounded_in_fp32


class SegResNetGenerator(SegResNet):
    """MONAI's SegResNet without its segmentation's end: one image in, one in [-1, 1] out.

    It sees more of the surroundings than the published ResNet generator for less work, and its skips keep
    edges. Spatial sizes must be divisible by ``divisor``.

    Args:
        spatial_dims: 2 for slices (N, C, J, I), 3 for subvolumes (N, C, K, J, I).
        in_channels: channels in.
        out_channels: channels out.
        features: channels at full resolution, doubled by each down-sampling; a multiple of 8.
        blocks_down: residual blocks at each resolution on the way down; its length says how many there are.
        blocks_up: residual blocks at each resolution on the way up.

    Raises:
        ValueError: ``features`` is not a multiple of 8, or the two lists do not match.
    """

    def __init__(
        self,
        spatial_dims: int = 2,
        in_channels: int = 1,
        out_channels: int = 1,
        features: int = 16,
        blocks_down: Sequence[int] = (1, 2, 2, 4),
        blocks_up: Sequence[int] = (1, 1, 1),
    ) -> None:
        if features % 8:
            raise ValueError(f"features is {features}; it must be a multiple of 8")
        if len(blocks_up) != len(blocks_down) - 1:
            raise ValueError("blocks_up must have one number less than blocks_down")
        super().__init__(
            spatial_dims=spatial_dims,
            in_channels=in_channels,
            out_channels=out_channels,
            init_filters=features,
            blocks_down=tuple(blocks_down),
            blocks_up=tuple(blocks_up),
            use_conv_final=False,
        )
        self.divisor = 2 ** len(blocks_up)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, *spatial) to (N, out_channels, *spatial), both in [-1, 1]."""
        x, kept = self.encode(x)
        x = self.decode(x, kept[::-1])
        return bounded_in_fp32(self.conv_final, x)
