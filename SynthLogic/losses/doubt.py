"""How undecided a label map is; asked of what lies between two hearts, it keeps that sharp."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def doubt(logits: Tensor) -> Tensor:
    """Mean entropy of the pixels' label shares in nats: 0 where all are certain, log(labels) at most.

    Args:
        logits: (N, labels, *spatial).
    """
    log_shares = functional.log_softmax(logits.float(), 1)
    return -(log_shares.exp() * log_shares).sum(1).mean()
