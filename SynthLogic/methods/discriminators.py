"""Discriminators that judge patches, from MONAI."""

from __future__ import annotations

from monai.networks.nets import PatchDiscriminator
from torch import Tensor, nn
from torch.nn import functional

from SynthLogic.errors import ConfigError
from SynthLogic.methods.config import TrainConfig


def patch_discriminator(
    config: TrainConfig, spatial_dims: int = 2, in_channels: int = 1, patch: int | None = None
) -> PatchDiscriminator:
    """PatchGAN with instance normalisation; three layers see 70 x 70 pixels (Isola et al. 2017).

    Raises:
        ConfigError: images of ``patch`` pixels leave its last layer nothing to see.
    """
    d = config.discriminator
    if patch is not None and patch < 3 * 2**d.layers:
        raise ConfigError(
            f"Discriminators of {d.layers} layers need patches of {3 * 2**d.layers} pixels at least; enlarge "
            "data.sampling.patch or lower discriminator.layers."
        )
    return PatchDiscriminator(
        spatial_dims=spatial_dims,
        channels=d.features,
        in_channels=in_channels,
        num_layers_d=d.layers,
        norm="instance",
    )


class ScalesDiscriminator(nn.Module):
    """The same kind of PatchGAN at full, half and so on of the size (pix2pixHD, Wang et al. 2018).

    MONAI's MultiScalePatchDiscriminator makes deeper networks instead, up to ten times as wide.

    Args:
        config: features and layers of each.
        scales: how many.
        in_channels: of what is judged.
    """

    def __init__(self, config: TrainConfig, scales: int, in_channels: int) -> None:
        super().__init__()
        self.scales = nn.ModuleList(
            patch_discriminator(config, in_channels=in_channels) for _ in range(scales)
        )

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        """For each scale the outputs of all layers of (N, C, J, I); the last one is the score."""
        found = []
        for number, discriminator in enumerate(self.scales):
            if number:
                x = functional.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
            found.append(discriminator(x))
        return found
