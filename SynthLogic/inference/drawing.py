"""Slices of a heart that a label VAE has drawn, before it is decided which pixel is what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from SynthLogic.inference.lanes import side_by_side

if TYPE_CHECKING:
    from SynthLogic.networks.label_vae import LabelVae

# Slices that are enlarged together: as many as stay in a CPU's cache.
_TOGETHER = 8


class Drawing:
    """Logits of a heart's slices; see ``hearts.sizes.Drawing``.

    Args:
        logits: (K, labels, rows, columns), as coarse as the network makes them, background first.
        network: that made them, which knows how to enlarge them.
        values: (labels,) what stands for each channel in a label map.
    """

    def __init__(self, logits: Tensor, network: LabelVae, values: NDArray[np.uint8]) -> None:
        self._logits, self._network, self._values = logits, network, values

    def labels(self, bias: NDArray[np.float64] | None = None) -> NDArray[np.uint8]:
        """The likeliest labels (K, size, size).

        Args:
            bias: added to the logits of each label but the background, in nats; None adds nothing.
        """
        column = None if bias is None else self._column(bias)

        def decide(logits: Tensor) -> NDArray[np.uint8]:
            with torch.inference_mode():
                shifted = logits if column is None else logits + column
                return self._values[likeliest(self._network.enlarge(shifted)).cpu().numpy()]

        return np.concatenate(side_by_side(decide, self._logits.split(_TOGETHER)))

    @torch.inference_mode()
    def slopes(self, bias: NDArray[np.float64]) -> NDArray[np.float64]:
        """(labels - 1,) squared: how mean areas, in pixels of a slice, grow with the labels' biases.

        The mean is the trapezoid rule's; areas are sums of the labels' shares, whose derivative is
        share_c (1[c = d] - share_d).
        """
        shares = (self._logits + self._column(bias)).float().softmax(1)[:, 1:].flatten(2)
        weight = torch.ones(len(shares), device=shares.device)
        if len(shares) > 1:
            weight[0] = weight[-1] = 0.5
        weight *= (self._network.size**2 / self._logits[0, 0].numel()) / weight.sum()
        weighted = shares * weight[:, None, None]
        slopes = torch.diag(weighted.sum((0, 2))) - torch.einsum("kcn,kdn->cd", weighted, shares)
        found: NDArray[np.float64] = slopes.double().cpu().numpy()
        return found

    def _column(self, bias: NDArray[np.float64]) -> Tensor:
        column = torch.zeros(1, self._logits.shape[1], 1, 1)
        column[0, 1:, 0, 0] = torch.from_numpy(bias)
        return column.to(self._logits.device)


def likeliest(logits: Tensor) -> Tensor:
    """argmax over the channels as uint8; comparing one by one is several times as fast as torch's own."""
    first, *others = logits.unbind(1)
    best, index = first, torch.zeros_like(first, dtype=torch.uint8)
    for place, channel in enumerate(others, 1):
        index = index.masked_fill_(channel > best, place)
        best = torch.maximum(best, channel)
    return index


__all__ = ["Drawing", "likeliest"]
