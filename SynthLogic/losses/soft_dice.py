"""Soft Dice (Milletari et al. 2016): overlap of predicted shares with labels, each label counting alike."""

from __future__ import annotations

from torch import Tensor


def soft_dice_loss(logits: Tensor, one_hot: Tensor) -> Tensor:
    """1 - mean over foreground labels of 2 sum(p t) / (sum(p) + sum(t)), sums over the whole batch.

    Over the batch, because a single slice may lack a label; one that the whole batch lacks does not count.

    Args:
        logits: (N, labels, *spatial), background first.
        one_hot: same shape.
    """
    shares = logits.float().softmax(1)[:, 1:].transpose(0, 1).flatten(1)
    wanted = one_hot.float()[:, 1:].transpose(0, 1).flatten(1)
    there = (wanted.sum(1) > 0).float()
    overlap = 2 * (shares * wanted).sum(1) / (shares.sum(1) + wanted.sum(1)).clamp(min=1e-6)
    return ((1 - overlap) * there).sum() / there.sum().clamp(min=1)
