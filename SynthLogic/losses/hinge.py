"""Hinge adversarial loss (Lim and Ye 2017), as SPADE uses it (Park et al. 2019)."""

from __future__ import annotations

from torch import Tensor


def hinge_generator_loss(scores_of_fake: Tensor) -> Tensor:
    """Mean of -D(fake).

    Args:
        scores_of_fake: discriminator output of any shape, (N, 1, *spatial) in 2D or 3D.
    """
    return -scores_of_fake.float().mean()


def hinge_discriminator_loss(scores_of_real: Tensor, scores_of_fake: Tensor) -> Tensor:
    """Half of mean max(0, 1 - D(real)) plus half of mean max(0, 1 + D(fake)).

    Args:
        scores_of_real: discriminator output for real images, any shape.
        scores_of_fake: the same for generated images, detached from their generator.
    """
    real = (1 - scores_of_real.float()).relu().mean()
    return 0.5 * (real + (1 + scores_of_fake.float()).relu().mean())
