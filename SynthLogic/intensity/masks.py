"""Masks as channels beside an image. No torch."""

from __future__ import annotations

import numpy as np

# Not 1: where a structure fills few pixels, tanh would reach -1 everywhere before it has learned where the
# structure lies, and no gradient leads back from there.
LEVEL = 0.9


def mask_values(inside: np.ndarray) -> np.ndarray:
    """``inside``, bool or 0 and 1 of any shape, as float32 values for a network: ``LEVEL`` and ``-LEVEL``."""
    return (LEVEL * (2 * inside.astype(np.float32) - 1)).astype(np.float32)
