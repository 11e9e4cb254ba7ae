"""Tissue loss: each tissue of a generated image should be as bright as that tissue is in the other domain.

    L = mean over labelled voxels v of |x_v - M_g(v)|,

where g(v) is the label group of v in the subject that was translated and M_g the running mean of that group's
median intensity in real images of the domain x should belong to (the median, since that is what an absolute
error asks for: tissues at the end of the range, such as blood, are skewed). It needs label maps of both
domains but no pair: the labels say which tissue is where, M_g comes from other subjects. One of the shape and
segmentation losses in the lecture's catalogue (Eklund and Abramian). It settles which tissue becomes which
where contrast inverts between the modalities, and a cycle-consistent generator would keep bone bright.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_FEWEST_VOXELS = 16
_DECAY = 0.99


class TissueLoss(nn.Module):
    """Running tissue intensities of one domain and the loss against them.

    Args:
        groups: label groups, the channels of the label maps.
    """

    expected: Tensor
    seen: Tensor

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.register_buffer("expected", torch.zeros(groups))
        self.register_buffer("seen", torch.zeros(groups))

    @torch.no_grad()
    def update(self, image: Tensor, labels: Tensor) -> None:
        """Take in real images (N, 1, *spatial) with one-hot label maps (N, groups, *spatial)."""
        for values, groups in zip(image.float().flatten(1), labels.flatten(2) > 0, strict=True):
            for g in (groups.sum(1) >= _FEWEST_VOXELS).nonzero()[:, 0].tolist():
                median = values[groups[g]].median()
                keep = _DECAY if self.seen[g] > 0 else 0.0
                self.expected[g] = keep * self.expected[g] + (1 - keep) * median
                self.seen[g] += 1

    def forward(self, image: Tensor, labels: Tensor) -> Tensor:
        """Loss of generated images (N, 1, *spatial) with the label maps of the subjects they show; a scalar.

        Voxels without a label, or of a group not seen in real images yet, do not count; 0 where none is left.
        """
        weight = labels.float().flatten(2) * (self.seen > 0)[:, None]
        expected = (weight * self.expected[:, None]).sum(1)
        known = weight.sum(1)
        error = (image.float().flatten(2)[:, 0] - expected).abs() * known
        return error.sum() / known.sum().clamp(min=1)
