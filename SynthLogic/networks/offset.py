"""Offset layers: a field of displacements, predicted from the features that it then re-interpolates."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class OffsetLayer(nn.Module):
    """What deformable convolution does before it convolves (Dai et al. 2017), as Wang et al. 2018 use it.

    A convolution predicts one displacement for each position, in voxels of these features; they are read
    there, linearly, the border repeated beyond it. All channels move together, so an image stays one. It
    starts without any displacement.

    Args:
        spatial_dims: 2 or 3.
        channels: of the features.
        kernel_size: of the convolution that predicts.
    """

    def __init__(self, spatial_dims: int, channels: int, kernel_size: int = 3) -> None:
        super().__init__()
        layer = nn.Conv2d if spatial_dims == 2 else nn.Conv3d
        self.predict = layer(channels, spatial_dims, kernel_size, padding=kernel_size // 2)
        self.rest()

    def rest(self) -> None:
        """No displacement anywhere."""
        if not self.predict.weight.is_meta:
            nn.init.zeros_(self.predict.weight)
            nn.init.zeros_(self.predict.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, *spatial) to the same shape."""
        return displaced(x, self.predict(x))


def displaced(x: Tensor, offsets: Tensor) -> Tensor:
    """(N, C, *spatial) read at each position plus its offset.

    Args:
        x: 2D or 3D.
        offsets: (N, dims, *spatial) in voxels, in the order of the spatial axes.
    """
    spatial = x.shape[2:]
    # Half precision cannot tell neighbouring voxels apart in coordinates of a few hundred.
    fields = offsets.float().unbind(1)
    axes = [torch.arange(size, device=x.device, dtype=torch.float32) for size in spatial]
    places = torch.meshgrid(*axes, indexing="ij")
    # grid_sample counts voxels from -1 to 1 and names the last axis first.
    grid = [
        2 * (place + field) / max(size - 1, 1) - 1
        for place, field, size in zip(places, fields, spatial, strict=True)
    ]
    where = torch.stack(grid[::-1], -1)
    with torch.autocast(x.device.type, enabled=False):
        moved = functional.grid_sample(x.float(), where, padding_mode="border", align_corners=True)
    return moved.to(x.dtype)
