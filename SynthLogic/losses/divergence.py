"""Kullback-Leibler divergence of a diagonal Gaussian from the standard one (Kingma and Welling 2014)."""

from __future__ import annotations

from torch import Tensor


def standard_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """1/2 (mean^2 + variance - 1 - log variance), summed over the vector, averaged over the batch; in nats.

    The sum is the divergence itself. A reconstruction loss that is a mean over J x I pixels is therefore
    J x I times smaller than the likelihood it stands for: a weight of 1 / (J I), 6e-5 for 128 x 128, would be
    the VAE of the textbook.

    Args:
        mean: (N, D).
        log_variance: (N, D).
    """
    mean, log_variance = mean.float(), log_variance.float()
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
