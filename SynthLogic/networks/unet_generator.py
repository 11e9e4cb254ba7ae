"""U-Nets (Ronneberger 2015), from MONAI: a generator, and the network that finds structures."""

from __future__ import annotations

from monai.networks.nets import BasicUNet, UNet
from torch import Tensor, nn

from SynthLogic.networks.last_layer import bounded_in_fp32


class SegmentationUNet(UNet):
    """Image in, a logit for each label out. Spatial sizes must be divisible by ``divisor``.

    Args:
        spatial_dims: 2 for slices (N, C, J, I), 3 for subvolumes (N, C, K, J, I).
        in_channels: channels in.
        out_channels: labels, background included.
        features: channels at full resolution, doubled by each down-sampling.
        levels: down-samplings; 3 in paper 1.
        residual_units: residual convolutions at each level (Kerfoot 2018); 0 is the plain U-Net.
        norm: "instance" or "batch".
        dropout: chance that a feature is left out while training.

    Raises:
        ValueError: less than one feature or level, or another norm.
    """

    def __init__(
        self,
        spatial_dims: int = 2,
        in_channels: int = 1,
        out_channels: int = 2,
        features: int = 16,
        levels: int = 3,
        residual_units: int = 2,
        norm: str = "instance",
        dropout: float = 0.0,
    ) -> None:
        _check(features, norm)
        if levels < 1:
            raise ValueError("levels must be at least 1")
        super().__init__(
            spatial_dims=spatial_dims,
            in_channels=in_channels,
            out_channels=out_channels,
            channels=[features * 2**level for level in range(levels + 1)],
            strides=[2] * levels,
            num_res_units=residual_units,
            norm=norm.upper(),
            dropout=dropout,
        )
        self.divisor = 2**levels


class UNetGenerator(BasicUNet):
    """Image in, image in [-1, 1] out, with skips over four down-samplings.

    Args:
        spatial_dims: 2 for slices (N, C, J, I), 3 for subvolumes (N, C, K, J, I).
        in_channels: channels in.
        out_channels: channels out.
        features: channels at full resolution; 2, 4, 8 and 16 times as many below it.
        norm: "instance" or "batch".

    Raises:
        ValueError: less than one feature, or another norm.
    """

    divisor = 16

    def __init__(
        self,
        spatial_dims: int = 2,
        in_channels: int = 1,
        out_channels: int = 1,
        features: int = 32,
        norm: str = "instance",
    ) -> None:
        _check(features, norm)
        widths = [features * factor for factor in (1, 2, 4, 8, 16, 1)]
        affine = {"affine": True}
        super().__init__(spatial_dims, in_channels, out_channels, widths, norm=(norm, affine))
        last: nn.Module = self.get_submodule("final_conv")
        self.final_conv = _Bounded(last)


class _Bounded(nn.Module):
    def __init__(self, last: nn.Module) -> None:
        super().__init__()
        self.last = last

    def forward(self, x: Tensor) -> Tensor:
        return bounded_in_fp32(self.last, x)


def _check(features: int, norm: str) -> None:
    if features < 1:
        raise ValueError("features must be at least 1")
    if norm not in ("instance", "batch"):
        raise ValueError(f"norm is {norm!r}; it must be 'instance' or 'batch'")
