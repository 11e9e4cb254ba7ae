"""Generator that paints labels (Park 2019), from MONAI's blocks, with a style that can be chosen."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from monai.networks.blocks.spade_norm import SPADE
from monai.networks.nets.spade_network import SPADENetResBlock
from torch import Tensor, nn
from torch.nn import functional

from SynthLogic.networks.last_layer import bounded_in_fp32

_LOG_VARIANCE = (-12.0, 8.0)
_NOISE_SEED = 20190318
_SLOPE = 0.2


class SpadeGenerator(nn.Module):
    """Label slices and a style to an image: SPADE (Park et al. 2019), used on hearts by Amirrajab 2022.

    A seed of one sixteenth of the size, made of style, labels and a learned map, is enlarged by residual
    blocks with spatially adaptive normalisation. These are guided by the labels; for each label by a few
    numbers that are linear in the style, so that every tissue's brightness and texture follow it; and by one
    fixed field of noise in the state, which texture is made of: the same labels and style, the same image.

    ``style_means`` (styles, style) are the means of each named style's codes, and the columns of
    ``style_spreads`` (styles, style, style) the principal axes of their covariance, as long as the standard
    deviation along them; training fills them.

    Args:
        labels: classes, background included.
        size: pixels of a side in training; other sizes work if ``divisor`` divides them, and the learned map
            and the noise are then enlarged.
        features: channels from the seed to full resolution; each step doubles the size.
        hidden: channels between labels and normalisation, at the same sizes.
        style: numbers of a style.
        styles: named styles.
        hues: numbers that a style becomes for each label.

    Raises:
        ValueError: a number below 1, lists of different length, or a size that they do not divide.
    """

    style_means: Tensor
    style_spreads: Tensor
    noise: Tensor

    def __init__(
        self,
        labels: int = 4,
        size: int = 128,
        features: Sequence[int] = (128, 96, 64, 32, 16),
        hidden: Sequence[int] = (32, 32, 24, 16, 16),
        style: int = 16,
        styles: int = 2,
        hues: int = 4,
    ) -> None:
        super().__init__()
        if min(labels - 1, style, styles, hues, *features, *hidden) < 1:
            raise ValueError("labels must be at least 2 and every other number at least 1")
        if len(features) != len(hidden) or len(features) < 2:
            raise ValueError("features and hidden must have the same length, at least 2")
        self.divisor = 2 ** (len(features) - 1)
        if size < self.divisor or size % self.divisor:
            raise ValueError(f"size is {size}; it must be a multiple of {self.divisor}")
        self.labels, self.size, self.style, self.styles = labels, size, style, styles
        side = size // self.divisor
        self.register_buffer("style_means", torch.zeros(styles, style))
        self.register_buffer("style_spreads", torch.eye(style).repeat(styles, 1, 1))
        # numpy's, because torch's own differs between devices.
        noise = np.random.default_rng(_NOISE_SEED).standard_normal((1, 1, size, size), np.float32)
        self.register_buffer("noise", torch.from_numpy(noise))

        self.hues = nn.Linear(style, labels * hues)
        guide = labels + hues + 1
        self.place = nn.Parameter(torch.zeros(1, features[0], side, side))
        self.seed_of_style = nn.Linear(style, features[0])
        self.seed_of_guide = nn.Conv2d(guide, features[0], 3, padding=1)
        ends = (*features[1:], features[-1])
        self.blocks = nn.ModuleList(
            _Block(start, end, guide, between)
            for start, end, between in zip(features, ends, hidden, strict=True)
        )
        self.last = nn.Conv2d(features[-1], 1, 3, padding=1)
        self.style_encoder = _StyleEncoder(labels, style)

    def forward(self, one_hot: Tensor, style: Tensor) -> Tensor:
        """Paint (N, labels, J, I) with (N, style); (N, 1, J, I) in [-1, 1]."""
        guides = self._guides(one_hot, style)
        x = self.seed_of_guide(guides[0]) + self.seed_of_style(style)[:, :, None, None]
        x = x + _fitted(self.place, x)
        # Between seed and last layer the blocks' own precision holds; they are nearly all of the work.
        dtype = next(self.blocks.parameters()).dtype
        x, guides = x.to(dtype), [guide.to(dtype) for guide in guides]
        for level, (block, guide) in enumerate(zip(self.blocks, guides, strict=True)):
            if level:
                x = functional.interpolate(x, scale_factor=2, mode="nearest")
            x = block(x, guide)
        return bounded_in_fp32(self.last, functional.leaky_relu(x, _SLOPE))

    def lower_precision(self, dtype: torch.dtype) -> None:
        """Let the blocks compute in ``dtype``; seed and last layer stay in fp32."""
        self.blocks.to(dtype)

    def encode_style(self, image: Tensor, one_hot: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance, (N, style) each, of images (N, 1, J, I) and their labels."""
        mean, log_variance = self.style_encoder(image, one_hot)
        return mean, log_variance

    def _guides(self, one_hot: Tensor, style: Tensor) -> list[Tensor]:
        """Labels, hues of each pixel's label, and noise: (N, labels + hues + 1, ..), smallest size first."""
        hues = self.hues(style).unflatten(1, (-1, self.labels))
        maps = torch.cat([one_hot, torch.einsum("nhl,nlji->nhji", hues, one_hot)], dim=1)
        noise = _fitted(self.noise, maps)
        guides: list[Tensor] = []
        for level in range(len(self.blocks)):
            if level:
                # Twice the mean of four: as strong at every size.
                maps, noise = functional.avg_pool2d(maps, 2), 2 * functional.avg_pool2d(noise, 2)
            guides.insert(0, torch.cat([maps, noise.expand(len(maps), -1, -1, -1)], dim=1))
        return guides


def _fitted(field: Tensor, like: Tensor) -> Tensor:
    if field.shape[-2:] == like.shape[-2:]:
        return field
    return functional.interpolate(field, size=like.shape[-2:], mode="bilinear", align_corners=False)


class _Spade(SPADE):
    """MONAI's SPADE as published, and in the memory layout that it is given.

    MONAI normalises the maps of scale and offset over space, which takes away the overall brightness that a
    style asks for; here, as in Park's, they are plain convolutions. The guide has the right size already.
    """

    def __init__(self, guide: int, channels: int, hidden: int) -> None:
        # One group a channel is instance normalisation, and this kernel keeps channels-last.
        norm = ("GROUP", {"num_groups": channels, "affine": False})
        super().__init__(guide, channels, hidden_channels=hidden, norm=norm)
        self.mlp_gamma = nn.Conv2d(hidden, channels, 3, padding=1)
        self.mlp_beta = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x: Tensor, segmap: Tensor) -> Tensor:
        """Normalise (N, channels, J, I) and modulate it by the guide (N, guide, J, I)."""
        return self.modulate(self.param_free_norm(x), segmap)

    def modulate(self, normalised: Tensor, guide: Tensor) -> Tensor:
        """normalised * (1 + gamma) + beta, in two passes over memory."""
        shared = self.mlp_shared(guide)
        return torch.addcmul(normalised + self.mlp_beta(shared), normalised, self.mlp_gamma(shared))


class _Block(SPADENetResBlock):
    """MONAI's residual block with ``_Spade``, which normalises its input once for both ways through it."""

    def __init__(self, start: int, end: int, guide: int, hidden: int) -> None:
        super().__init__(2, start, end, guide, spade_intermediate_channels=hidden)
        self.norm_0 = _Spade(guide, start, hidden)
        self.norm_1 = _Spade(guide, self.int_channels, hidden)
        if self.learned_shortcut:
            self.norm_s = _Spade(guide, start, hidden)

    def forward(self, x: Tensor, seg: Tensor) -> Tensor:
        """Map (N, start, J, I) to (N, end, J, I), guided by (N, guide, J, I)."""
        normalised = self.norm_0.param_free_norm(x)
        if self.learned_shortcut:
            x = self.conv_s(self.norm_s.modulate(normalised, seg))
        change = self.conv_0(self.activation(self.norm_0.modulate(normalised, seg)))
        return x + self.conv_1(self.activation(self.norm_1(change, seg)))


class _StyleEncoder(nn.Module):
    """GauGAN's style encoder, without normalisation (it would remove the contrast), averaged by label."""

    def __init__(self, labels: int, style: int, features: Sequence[int] = (24, 32, 48, 64)) -> None:
        super().__init__()
        widths = (1 + labels, *features)
        layers: list[nn.Module] = []
        for narrow, wide in pairwise(widths):
            layers += [nn.Conv2d(narrow, wide, 3, stride=2, padding=1), nn.LeakyReLU(_SLOPE)]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear((labels + 1) * features[-1], 2 * style)

    def forward(self, image: Tensor, one_hot: Tensor) -> tuple[Tensor, Tensor]:
        x = self.body(torch.cat([image, one_hot.to(image.dtype)], dim=1))
        masks = functional.adaptive_avg_pool2d(one_hot.to(x.dtype), x.shape[-2:])
        masks = torch.cat([masks, torch.ones_like(masks[:, :1])], dim=1)
        sums = torch.einsum("nlji,ncji->nlc", masks, x)
        means = sums / masks.sum((2, 3)).clamp_min(1e-3)[..., None]
        mean, log_variance = self.head(means.flatten(1)).chunk(2, dim=1)
        return mean, log_variance.clamp(*_LOG_VARIANCE)
