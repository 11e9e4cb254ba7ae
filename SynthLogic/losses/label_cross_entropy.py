"""Cross-entropy of label maps, with a weight for each label."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def label_cross_entropy(logits: Tensor, one_hot: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean over pixels of -w_c log p_c, c the pixel's label, divided by the mean of w_c.

    So it stays in nats per pixel whatever the weights, which say how much a label counts beside another.

    Args:
        logits: (N, labels, *spatial).
        one_hot: same shape, one label for each pixel.
        weights: (labels,); all equal if None.
    """
    wanted = one_hot.float()
    surprise = -(functional.log_softmax(logits.float(), 1) * wanted).sum(1)
    if weights is None:
        return surprise.mean()
    counts = torch.einsum("nc...,c->n...", wanted, weights.to(wanted))
    return (surprise * counts).sum() / counts.sum().clamp(min=1e-6)
