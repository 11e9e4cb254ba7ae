"""ResNet generator of CycleGAN: c7s1-f, d2f, d4f, n x R4f, u2f, uf, c7s1-out."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from SynthLogic.networks.last_layer import bounded_in_fp32


def _norm(kind: str, channels: int) -> nn.Module:
    if kind == "instance":
        # One group per channel is instance normalisation, and this kernel keeps channels-last.
        return nn.GroupNorm(channels, channels, affine=False)
    return nn.GroupNorm(min(8, channels), channels)


def _conv(spatial_dims: int, *arguments: int, **options: object) -> nn.Module:
    layer = nn.Conv2d if spatial_dims == 2 else nn.Conv3d
    return layer(*arguments, **options)  # type: ignore[arg-type]


_WEIGHTED = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)


class ResidualBlock(nn.Module):
    """Two normalised 3-convolutions, added to their input (Johnson 2016)."""

    def __init__(
        self, spatial_dims: int, channels: int, padding_mode: str = "reflect", norm: str = "instance"
    ) -> None:
        super().__init__()
        options = {"kernel_size": 3, "padding": 1, "padding_mode": padding_mode, "bias": False}
        self.body = nn.Sequential(
            _conv(spatial_dims, channels, channels, **options),
            _norm(norm, channels),
            nn.ReLU(),
            _conv(spatial_dims, channels, channels, **options),
            _norm(norm, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, *spatial) to the same shape."""
        return x + self.body(x)


class ResnetGenerator(nn.Module):
    """Image-to-image generator with residual blocks.

    Layer order and widths follow Zhu et al. 2017 (CycleGAN, appendix 7.2) and papers 2 and 3 of this
    project; ``features=64, blocks=9`` is the published size (11.4 M parameters in 2D with one channel).
    Spatial sizes must be divisible by 4; input and output lie in [-1, 1].

    Args:
        spatial_dims: 2 for slices (N, C, J, I), 3 for subvolumes (N, C, K, J, I).
        in_channels: channels in.
        out_channels: channels out.
        features: channels after the first convolution; doubled by each of the two down-samplings.
        blocks: residual blocks at a quarter of the resolution.
        upsampling: "transpose" (fractional strides, as published) or "resize" (nearest neighbour followed
            by a convolution, which cannot draw a checkerboard; Odena 2016).
        padding_mode: of the convolutions that keep the size.
        norm: "instance" (as published) or "group" (8 groups with weights; Wu and He 2018), which keeps more
            of the absolute intensity that HU are about.
        skips: add what was there before each down-sampling to what comes back at that size; not published.
    """

    divisor = 4

    def __init__(
        self,
        spatial_dims: int = 2,
        in_channels: int = 1,
        out_channels: int = 1,
        features: int = 64,
        blocks: int = 9,
        upsampling: str = "transpose",
        padding_mode: str = "reflect",
        norm: str = "instance",
        skips: bool = False,
    ) -> None:
        super().__init__()
        if spatial_dims not in (2, 3):
            raise ValueError(f"spatial_dims is {spatial_dims}; it must be 2 or 3")
        if features < 1 or blocks < 0:
            raise ValueError(f"features is {features} and blocks {blocks}; they must be at least 1 and 0")
        if upsampling not in ("transpose", "resize"):
            raise ValueError(f"upsampling is {upsampling!r}; it must be 'transpose' or 'resize'")
        if norm not in ("instance", "group"):
            raise ValueError(f"norm is {norm!r}; it must be 'instance' or 'group'")
        edge = {"kernel_size": 7, "padding": 3, "padding_mode": padding_mode}
        down = {"kernel_size": 3, "stride": 2, "padding": 1, "bias": False}
        self.skips = skips
        widths = (features, 2 * features, 4 * features)

        def block(*layers: nn.Module, width: int) -> nn.Sequential:
            return nn.Sequential(*layers, _norm(norm, width), nn.ReLU())

        self.encoder = nn.ModuleList(
            [block(_conv(spatial_dims, in_channels, features, **edge), width=features)]
        )
        for narrow, wide in pairwise(widths):
            self.encoder.append(block(_conv(spatial_dims, narrow, wide, **down), width=wide))
        self.trunk = nn.Sequential(
            *(ResidualBlock(spatial_dims, widths[-1], padding_mode, norm) for _ in range(blocks))
        )
        self.decoder = nn.ModuleList(
            block(*self._up(spatial_dims, wide, narrow, upsampling), width=narrow)
            for wide, narrow in pairwise(widths[::-1])
        )
        self.last = _conv(spatial_dims, features, out_channels, **edge)
        self.apply(_initialise)

    @staticmethod
    def _up(spatial_dims: int, wide: int, narrow: int, upsampling: str) -> list[nn.Module]:
        if upsampling == "transpose":
            layer = nn.ConvTranspose2d if spatial_dims == 2 else nn.ConvTranspose3d
            return [layer(wide, narrow, 3, stride=2, padding=1, output_padding=1, bias=False)]
        convolution = _conv(spatial_dims, wide, narrow, kernel_size=3, padding=1, bias=False)
        return [nn.Upsample(scale_factor=2, mode="nearest"), convolution]

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, *spatial) to (N, out_channels, *spatial), both in [-1, 1]."""
        kept = []
        for encode in self.encoder:
            x = encode(x)
            kept.append(x)
        return self.decode(self.trunk(x), kept)

    def decode(self, x: Tensor, kept: list[Tensor]) -> Tensor:
        """From the trunk's features, and those kept of each encoder, to the image."""
        for decode, before in zip(self.decoder, kept[-2::-1], strict=True):
            x = decode(x)
            if self.skips:
                x = x + before
        return bounded_in_fp32(self.last, x)


def _initialise(module: nn.Module) -> None:
    """Normal(0, 0.02) weights, zero biases (Zhu 2017, section 7.2)."""
    # On the meta device, where only shapes matter, drawing would import torch's compiler (seconds).
    if isinstance(module, _WEIGHTED) and not module.weight.is_meta:
        torch.nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            torch.nn.init.zeros_(module.bias)
