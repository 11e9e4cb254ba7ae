"""In which precision losses are summed."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """``x`` in float32, or as it is if that is more."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
