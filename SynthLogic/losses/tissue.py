"""Tissue statistics: each tissue of a generated image should look as that tissue does in the other domain.

For label group g with voxels R_g of an image x,

    m_g = mean of x over R_g,    s_g = standard deviation of x over R_g,
    L = mean over groups present of |m_g - M_g| + |s_g - S_g|,

where M_g and S_g are running means of the same figures over real images of the domain. It needs label maps of
both domains but no pair: the labels say which tissue is where in the subject that was translated, M_g and S_g
come from other subjects. A shape and histogram loss in the sense of the lecture's catalogue (Eklund and
Abramian); it settles which tissue becomes which, where contrast inverts between the modalities and a
cycle-consistent generator would keep bone bright.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_FEWEST_VOXELS = 16
_DECAY = 0.99


class TissueStatistics(nn.Module):
    """Running statistics of one domain and the loss against them.

    Args:
        groups: label groups, the channels of the label maps.
    """

    mean: Tensor
    deviation: Tensor
    seen: Tensor

    def __init__(self, groups: int) -> None:
        super().__init__()
        for name in ("mean", "deviation", "seen"):
            self.register_buffer(name, torch.zeros(groups))

    @torch.no_grad()
    def update(self, image: Tensor, labels: Tensor) -> None:
        """Take in real images (N, 1, *spatial) with one-hot label maps (N, groups, *spatial)."""
        mean, deviation, present = _moments(image, labels)
        for one_mean, one_deviation, here in zip(mean, deviation, present, strict=True):
            keep = torch.where(self.seen > 0, _DECAY, 0.0)
            self.mean = torch.where(here, keep * self.mean + (1 - keep) * one_mean, self.mean)
            self.deviation = torch.where(
                here, keep * self.deviation + (1 - keep) * one_deviation, self.deviation
            )
            self.seen = self.seen + here.float()

    def forward(self, image: Tensor, labels: Tensor) -> Tensor:
        """Loss of generated images (N, 1, *spatial) with the label maps of the subjects they show; a scalar.

        0 where no group is present, as for volumes without labels, or none was seen in real images yet.
        """
        mean, deviation, present = _moments(image, labels)
        present = present & (self.seen > 0)
        error = (mean - self.mean).abs() + (deviation - self.deviation).abs()
        return (error * present).sum() / present.sum().clamp(min=1)


def _moments(image: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and deviation of each group in each image, (N, groups), and where there are voxels enough."""
    x, weight = image.float().flatten(2), labels.float().flatten(2)
    count = weight.sum(2)
    mean = (x * weight).sum(2) / count.clamp(min=1)
    square = ((x - mean[..., None]).square() * weight).sum(2) / count.clamp(min=1)
    return mean, (square + 1e-6).sqrt(), count >= _FEWEST_VOXELS
