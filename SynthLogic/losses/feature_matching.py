"""Feature matching (pix2pixHD, Wang et al. 2018): a discriminator sees in a fake what it sees in the real."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def feature_matching_loss(of_real: Sequence[Sequence[Tensor]], of_fake: Sequence[Sequence[Tensor]]) -> Tensor:
    """Mean absolute difference of features, averaged over layers and discriminators.

    Args:
        of_real: for each discriminator its hidden layers' outputs for real images, (N, C, *spatial) each; no
            gradient goes through them.
        of_fake: the same for generated images of the same labels.
    """
    found = [
        torch.stack([(f.float() - r.detach().float()).abs().mean() for r, f in zip(real, fake, strict=True)])
        for real, fake in zip(of_real, of_fake, strict=True)
    ]
    return torch.stack([layers.mean() for layers in found]).mean()
