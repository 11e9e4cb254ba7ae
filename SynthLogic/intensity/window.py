"""A fixed window, for intensities with a physical unit such as HU."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from SynthLogic.intensity.step import Array, BaseStep, State, from_unit, to_unit
from SynthLogic.volume import Grid


class Window(BaseStep):
    """Clip to [lower, upper] and map that linearly to [-1, 1].

    y = 2 (clip(x) - lower) / (upper - lower) - 1. The inverse needs no fit and is exact inside the window.

    Attributes:
        lower: value that becomes -1, in the volume's units.
        upper: value that becomes 1.
    """

    kind: Literal["window"] = "window"
    lower: float
    upper: float

    inverse_needs_fit = False

    @model_validator(mode="after")
    def _ordered(self) -> Window:
        if self.lower >= self.upper:
            raise ValueError(f"lower is {self.lower} and upper {self.upper}; lower must be smaller")
        return self

    def fit(self, array: Array, grid: Grid) -> State:
        """Return an empty state."""
        return State()

    def apply(self, array: Array, grid: Grid, state: State) -> None:
        """Map to [-1, 1] in place."""
        to_unit(array, self.lower, self.upper)

    def revert(self, array: Array, grid: Grid | None, state: State) -> None:
        """Map [-1, 1] back in place."""
        from_unit(array, self.lower, self.upper)
