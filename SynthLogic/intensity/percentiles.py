"""A window between two percentiles, for intensities without a unit such as those of MR."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from SynthLogic.errors import InputError
from SynthLogic.intensity.step import Array, BaseStep, State, from_unit, sample, to_unit
from SynthLogic.volume import Grid


class Percentiles(BaseStep):
    """Clip to two percentiles of the whole volume and map what lies between linearly to [-1, 1].

    The percentiles are those of the finite voxels (above 2 million voxels: of an even, deterministic
    sample of about that many). The inverse uses the values found; it is exact between them.

    Attributes:
        lower: percentile that becomes -1, 0 to 100.
        upper: percentile that becomes 1, 0 to 100.
    """

    kind: Literal["percentiles"] = "percentiles"
    lower: float = Field(default=0.5, ge=0, le=100)
    upper: float = Field(default=99.0, ge=0, le=100)

    @model_validator(mode="after")
    def _ordered(self) -> Percentiles:
        if self.lower >= self.upper:
            raise ValueError(f"lower is {self.lower} and upper {self.upper}; lower must be smaller")
        return self

    def fit(self, array: Array, grid: Grid) -> State:
        """Find the two percentiles.

        Raises:
            InputError: both are the same value.
        """
        lower, upper = (float(v) for v in np.percentile(sample(array), (self.lower, self.upper)))
        if not lower < upper:
            raise InputError(
                f"Nearly all voxels have the value {lower:g}; give a scan that shows the patient, not a mask."
            )
        return State(values={"lower": lower, "upper": upper})

    def apply(self, array: Array, grid: Grid, state: State) -> None:
        """Map to [-1, 1] in place."""
        to_unit(array, state.values["lower"], state.values["upper"])

    def revert(self, array: Array, grid: Grid | None, state: State) -> None:
        """Map [-1, 1] back in place."""
        from_unit(array, state.values["lower"], state.values["upper"])
