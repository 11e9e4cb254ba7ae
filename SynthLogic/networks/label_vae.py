"""Variational auto-encoder of label slices: what lies between two hearts in its latent space is a heart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

# The decoder's last logits are this much coarser than the slice: full resolution is where the time goes.
_COARSER = 2
# exp of half of it is a standard deviation: neither 0 nor infinite, whatever the encoder says.
_LOG_VARIANCE = (-12.0, 8.0)


class LabelVae(nn.Module):
    """Convolutional VAE on one-hot label slices (Kingma and Welling 2014), 2D as in Amirrajab 2022.

    Residual blocks at low resolution draw the shape; the logits are made at half the slice's size and brought
    up linearly, so that outlines are smooth and decoding is fast.

    Args:
        labels: classes, background included.
        size: pixels of a side; a multiple of ``2 ** len(features)``.
        features: channels at a half, a quarter and so on of the size.
        latent: numbers that a slice becomes.

    Raises:
        ValueError: fewer than two labels, no features, or a size that the features do not divide.
    """

    def __init__(
        self,
        labels: int = 4,
        size: int = 128,
        features: Sequence[int] = (16, 32, 64, 96, 128),
        latent: int = 48,
    ) -> None:
        super().__init__()
        if labels < 2 or latent < 1 or not features or min(features) < 1:
            raise ValueError("labels must be at least 2, latent and all features at least 1")
        self.divisor = 2 ** len(features)
        if size < self.divisor or size % self.divisor:
            raise ValueError(f"size is {size}; it must be a multiple of {self.divisor}")
        self.labels, self.size, self.latent = labels, size, latent
        side = size // self.divisor
        self.seed_shape = (features[-1], side, side)
        cells = features[-1] * side * side

        down: list[nn.Module] = [nn.Conv2d(labels, features[0], 5, stride=2, padding=2)]
        for narrow, wide in pairwise(features):
            down += [_Residual(narrow), nn.Conv2d(narrow, wide, 3, stride=2, padding=1)]
        self.encoder = nn.Sequential(*down, _Residual(features[-1]), _norm(features[-1]), nn.SiLU())
        self.to_latent = nn.Linear(cells, 2 * latent)

        self.from_latent = nn.Linear(latent, cells)
        up: list[nn.Module] = [_Residual(features[-1]), _Residual(features[-1])]
        for wide, narrow in pairwise(reversed(features)):
            # The narrowing comes before the enlarging: a quarter of the work.
            up += [nn.Conv2d(wide, narrow, 1), _Enlarge(), _Residual(narrow)]
        self.decoder = nn.Sequential(*up, _norm(features[0]), nn.SiLU())
        self.to_logits = nn.Conv2d(features[0], labels, 3, padding=1)

    def encode(self, one_hot: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance, (N, latent) each, of slices (N, labels, size, size)."""
        code = self.to_latent(self.encoder(one_hot).flatten(1))
        mean, log_variance = code.chunk(2, dim=1)
        return mean, log_variance.clamp(*_LOG_VARIANCE)

    def decode(self, z: Tensor) -> Tensor:
        """Logits (N, labels, size, size) of latent vectors (N, latent)."""
        return self.enlarge(self.draw(z))

    def draw(self, z: Tensor) -> Tensor:
        """Logits at half the size, (N, labels, size / 2, size / 2), of latent vectors (N, latent)."""
        seed = self.from_latent(z).unflatten(1, self.seed_shape)
        logits: Tensor = self.to_logits(self.decoder(seed))
        return logits

    @staticmethod
    def enlarge(logits: Tensor) -> Tensor:
        """Logits at full size from those that ``draw`` made."""
        return functional.interpolate(logits, scale_factor=_COARSER, mode="bilinear", align_corners=False)

    def forward(self, one_hot: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, mean and log variance of slices (N, labels, size, size).

        The latent vector is drawn in training mode, and the mean in evaluation mode.
        """
        mean, log_variance = self.encode(one_hot)
        z = mean
        if self.training:
            z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return self.decode(z), mean, log_variance


def _norm(channels: int) -> nn.Module:
    groups = next(n for n in (8, 4, 2, 1) if channels % n == 0)
    return nn.GroupNorm(groups, channels)


class _Residual(nn.Module):
    """Two normalised 3-convolutions before which the input is added (pre-activation; He 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _norm(channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            _norm(channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, J, I) to the same shape."""
        return x + self.body(x)


class _Enlarge(nn.Module):
    """Twice the size, linearly."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, J, I) to (N, C, 2 J, 2 I)."""
        return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
