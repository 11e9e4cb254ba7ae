"""Measure what a low precision costs, for the card."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from SynthLogic.bundles import Bundle
from SynthLogic.inference.engine import Engine
from SynthLogic.inference.painter import Painter
from SynthLogic.volume import Volume


def mean_difference(bundle: Bundle, volumes: Sequence[Volume], precision: str, device: str = "cpu") -> float:
    """Mean absolute difference of ``precision`` ("bf16", "fp16") from fp32 over all voxels, in output units.

    The number belongs into ``card.precision``: only within its tolerance does the engine use the precision.

    Raises:
        DeviceError: device or precision not possible here.
    """
    exact, low = Engine(bundle, device, "fp32"), Engine(bundle, device, precision, unmeasured=True)
    return _mean((engine.run(volume).volume.array for engine in (exact, low)) for volume in volumes)


def painting_difference(
    bundle: Bundle, stacks: Sequence[NDArray[Any]], precision: str, device: str = "cpu"
) -> float:
    """As ``mean_difference``, for a bundle that paints label stacks (K, size, size), in all of its styles.

    Raises:
        DeviceError: device or precision not possible here.
    """
    exact, low = Painter(bundle, device, "fp32"), Painter(bundle, device, precision, unmeasured=True)
    return _mean(
        (painter.paint(stack, painter.style_named(style)) for painter in (exact, low))
        for stack in stacks
        for style in exact.styles
    )


def _mean(pairs: Iterable[Iterable[NDArray[Any]]]) -> float:
    total, count = 0.0, 0
    for a, b in pairs:
        total += float(np.abs(a.astype(np.float32) - b).sum(dtype=np.float64))
        count += a.size
    return total / max(1, count)


__all__ = ["mean_difference", "painting_difference"]
