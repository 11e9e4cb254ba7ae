"""Models that others made: TorchScript and ONNX, only with a card written for them and only when trusted.

A TorchScript archive contains pickles by format, but ``torch.jit.load`` reads them with its own reader in
C++, which builds TorchScript types and tensors and cannot call a Python function. Its program can still use
any operator of torch: hence trust.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from SynthLogic.bundles.card import Card
from SynthLogic.errors import BundleError

_PROBE = 32


class TrustRequired(BundleError):
    """The model is somebody else's program and not yet trusted; ask, then set ``trust``."""

    def __init__(self, card: Card) -> None:
        self.name = card.name
        super().__init__(
            f"Bundle {card.name!r} holds a {card.format} model, a program by somebody else: import it as "
            "trusted (--trust on the command line) if you trust its author."
        )


class OnnxNetwork(nn.Module):
    """An ONNX model called like a network of ours: (N, 1, *spatial) to the same shape, on the CPU."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        try:
            import onnxruntime
        except ImportError as error:
            raise BundleError(
                "This bundle's model is ONNX, which needs onnxruntime: pip install onnxruntime."
            ) from error
        try:
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 4
            self.session: Any = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's own exceptions have no common base
            raise BundleError(
                f"The ONNX model cannot be loaded ({_first_line(error)}); export it again."
            ) from error
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1 or inputs[0].type != "tensor(float)":
            raise BundleError("The ONNX model must have one float32 input and one output; export it again.")
        self._input = inputs[0].name

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, 1, *spatial) in [-1, 1]; the result comes back on the device and in the type of ``x``."""
        (result,) = self.session.run(None, {self._input: x.detach().float().cpu().contiguous().numpy()})
        return torch.from_numpy(np.ascontiguousarray(result)).to(x)


def load_foreign(card: Card, content: bytes, *, trust: bool) -> nn.Module:
    """Load the TorchScript or ONNX model ``content`` and try it once on an empty image.

    Raises:
        TrustRequired: not trusted.
        BundleError: unreadable, or not an image-to-image network of the card's dimensions.
    """
    if not trust:
        raise TrustRequired(card)
    network: nn.Module
    if card.format == "onnx":
        network = OnnxNetwork(content)
    else:
        try:
            network = torch.jit.load(io.BytesIO(content), map_location="cpu")
        except (RuntimeError, ValueError) as error:
            raise BundleError(
                f"The TorchScript model cannot be loaded ({_first_line(error)}); save it again."
            ) from error
        network = network.float().eval()
    _try_once(card, network)
    return network


def _try_once(card: Card, network: nn.Module) -> None:
    side = -(-_PROBE // card.spatial.divisor) * card.spatial.divisor
    sample = torch.zeros((1, 1, *(card.spatial.tile or (side,) * card.spatial.spatial_dims)))
    try:
        with torch.no_grad():
            result = network(sample)
    except Exception as error:  # a foreign program may fail in any way
        raise BundleError(
            f"The model does not run on {tuple(sample.shape)} ({_first_line(error)}); correct its card."
        ) from error
    if (
        not isinstance(result, Tensor)
        or result.shape != sample.shape
        or not bool(torch.isfinite(result).all())
    ):
        raise BundleError(
            f"The model does not map {tuple(sample.shape)} to a finite image of that shape; correct its card."
        )


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__
