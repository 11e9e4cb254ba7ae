"""From what a network gave, per plane, to one image in units and the planes' disagreement."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from SynthLogic.bundles import Channel
from SynthLogic.inference.monitor import Monitor

_SLAB = 16


def to_units(output: np.ndarray, channel: Channel, monitor: Monitor) -> np.ndarray:
    """Turn ``output`` (K, J, I) float32 in [-1, 1] into the channel's units, in place."""
    for start in range(0, len(output), _SLAB):
        monitor.check_now_and_then()
        slab = output[start : start + _SLAB]
        slab[...] = channel.intensity.inverse(slab, None)
    return output


def fuse(outputs: Sequence[np.ndarray], monitor: Monitor) -> tuple[np.ndarray, np.ndarray]:
    """Voxel-wise median and (population) standard deviation of the planes' outputs (K, J, I), float32.

    The median, since one plane that draws what is not there is then outvoted by the other two (Spadea et al.,
    Int J Radiat Oncol Biol Phys 105(3), 2019, who combine three planes so); of two planes it is the mean. The
    first of ``outputs`` is overwritten by the result.
    """
    deviation = np.empty_like(outputs[0])
    for start in range(0, len(deviation), _SLAB):
        monitor.check_now_and_then()
        part = slice(start, start + _SLAB)
        slabs = np.stack([output[part] for output in outputs])
        deviation[part] = slabs.std(axis=0)
        outputs[0][part] = np.median(slabs, axis=0)
    return outputs[0], deviation


__all__ = ["fuse", "to_units"]
