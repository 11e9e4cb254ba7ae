"""Identity: a generator leaves alone what is of its target domain already (Zhu et al. 2017, section 5.2)."""

from __future__ import annotations

from torch import Tensor


def identity_loss(image: Tensor, mapped: Tensor) -> Tensor:
    """Mean absolute difference of a target-domain image and what the generator makes of it.

    Args:
        image: (N, C, *spatial), 2D or 3D, in [-1, 1].
        mapped: the generator's output for that image, same shape.
    """
    return (mapped.float() - image.float()).abs().mean()
