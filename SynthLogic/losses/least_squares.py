"""Least-squares adversarial loss (Mao et al. 2017), as in papers 2 and 3."""

from __future__ import annotations

from torch import Tensor


def generator_loss(scores_of_fake: Tensor) -> Tensor:
    """Mean of (D(fake) - 1)^2: how far the discriminator is from taking the fakes for real.

    Args:
        scores_of_fake: discriminator output of any shape, (N, 1, *spatial) in 2D or 3D.
    """
    return (scores_of_fake.float() - 1.0).square().mean()


def discriminator_loss(scores_of_real: Tensor, scores_of_fake: Tensor) -> Tensor:
    """Half of mean (D(real) - 1)^2 plus half of mean D(fake)^2.

    Args:
        scores_of_real: discriminator output for real images, any shape.
        scores_of_fake: the same for generated images, detached from their generator.
    """
    real = (scores_of_real.float() - 1.0).square().mean()
    return 0.5 * (real + scores_of_fake.float().square().mean())
