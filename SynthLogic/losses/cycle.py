"""Cycle consistency: there and back again must give the image one started from (Zhu et al. 2017, eq. 2)."""

from __future__ import annotations

from torch import Tensor


def cycle_loss(image: Tensor, reconstructed: Tensor) -> Tensor:
    """Mean absolute difference of an image and its reconstruction.

    Args:
        image: (N, C, *spatial), 2D or 3D, in [-1, 1].
        reconstructed: the image after both generators, same shape.
    """
    return (reconstructed.float() - image.float()).abs().mean()
