"""Zero mean and unit standard deviation, cut at a number of standard deviations."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from SynthLogic.errors import InputError
from SynthLogic.intensity.step import Array, BaseStep, State, from_unit, sample, to_unit
from SynthLogic.volume import Grid


class ZScore(BaseStep):
    """Subtract the mean, divide by the standard deviation, clip at ``limit`` and scale that to [-1, 1].

    y = clip((x - mean) / std, -limit, limit) / limit, with mean and standard deviation of the finite voxels
    (above 2 million voxels: of an even, deterministic sample). The inverse is exact inside the limit.

    Attributes:
        limit: standard deviations that become 1.
        foreground: take mean and standard deviation only of voxels above the mean of all, which leaves out
            the air round the patient.
    """

    kind: Literal["z-score"] = "z-score"
    limit: float = Field(default=3.0, gt=0)
    foreground: bool = False

    def fit(self, array: Array, grid: Grid) -> State:
        """Find mean and standard deviation.

        Raises:
            InputError: a standard deviation of zero.
        """
        values = sample(array).astype(np.float64)
        if self.foreground:
            values = values[values > values.mean()]
        mean, deviation = (float(values.mean()), float(values.std())) if values.size else (0.0, 0.0)
        if not deviation > 1e-9 * max(1.0, abs(mean)):
            raise InputError("The voxels all have one value; give a scan that shows the patient, not a mask.")
        return State(values={"mean": mean, "deviation": deviation})

    def apply(self, array: Array, grid: Grid, state: State) -> None:
        """Map to [-1, 1] in place."""
        to_unit(array, *self._ends(state))

    def revert(self, array: Array, grid: Grid | None, state: State) -> None:
        """Map [-1, 1] back in place."""
        from_unit(array, *self._ends(state))

    def _ends(self, state: State) -> tuple[float, float]:
        half = self.limit * state.values["deviation"]
        return state.values["mean"] - half, state.values["mean"] + half
