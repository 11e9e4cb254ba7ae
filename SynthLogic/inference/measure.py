"""Measure what a low precision costs, for the card."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from SynthLogic.bundles import Bundle
from SynthLogic.inference.engine import Engine
from SynthLogic.volume import Volume


def mean_difference(bundle: Bundle, volumes: Sequence[Volume], precision: str, device: str = "cpu") -> float:
    """Mean absolute difference of ``precision`` ("bf16", "fp16") from fp32 over all voxels, in output units.

    The number belongs into ``card.precision``: only within its tolerance does the engine use the precision.

    Raises:
        DeviceError: device or precision not possible here.
    """
    exact, low = Engine(bundle, device, "fp32"), Engine(bundle, device, precision, unmeasured=True)
    total, count = 0.0, 0
    for volume in volumes:
        a, b = (engine.run(volume).volume.array for engine in (exact, low))
        total += float(np.abs(a.astype(np.float32) - b).sum(dtype=np.float64))
        count += a.size
    return total / max(1, count)


__all__ = ["mean_difference"]
