"""The intensity steps of a card, one after the other, and the way back."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from SynthLogic.errors import InputError
from SynthLogic.intensity.n4 import N4
from SynthLogic.intensity.percentiles import Percentiles
from SynthLogic.intensity.step import Array, State
from SynthLogic.intensity.window import Window
from SynthLogic.intensity.zscore import ZScore
from SynthLogic.volume import Grid, Volume

Step = Annotated[Window | Percentiles | ZScore | N4, Field(discriminator="kind")]


class Fitted(BaseModel):
    """What a pipeline found out about one volume; JSON holds all but N4's field and the grid.

    Attributes:
        states: one per step.
        grid: of the volume.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    states: tuple[State, ...]
    grid: Grid | None = Field(default=None, exclude=True, repr=False)


class Pipeline(BaseModel):
    """Intensity steps that lead from a scan's units to the [-1, 1] of networks.

    Attributes:
        steps: applied in this order; the last one must be a window, percentiles or z-score.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: tuple[Step, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ends_in_unit_range(self) -> Pipeline:
        if isinstance(self.steps[-1], N4):
            raise ValueError("the last step is n4; a window, percentiles or z-score must follow")
        return self

    @property
    def inverse_needs_fit(self) -> bool:
        """Whether ``inverse`` needs what ``fit`` found; an output pipeline must not."""
        return any(step.inverse_needs_fit for step in self.steps)

    def fit(self, volume: Volume) -> Fitted:
        """Measure a volume.

        Raises:
            InputError: NaN, infinite or constant voxels, or a volume that a step cannot be applied to.
        """
        return self.forward(volume)[1]

    def forward(self, volume: Volume) -> tuple[Array, Fitted]:
        """Return the normalised voxels, float32 (K, J, I) in [-1, 1], and what was found on the way.

        Raises:
            InputError: as for ``fit``.
        """
        array = _float_copy(volume.array)
        low, high = float(array.min()), float(array.max())
        if not np.isfinite((low, high)).all():
            raise InputError(
                "The scan holds NaN or infinite voxels; replace them (for CT by -1024) and save it again."
            )
        if low == high:
            raise InputError(f"All voxels have the same value ({low:g}); give a scan that shows the patient.")
        states = []
        for step in self.steps:
            states.append(step.fit(array, volume.grid))
            step.apply(array, volume.grid, states[-1])
        return array, Fitted(states=tuple(states), grid=volume.grid)

    def transform(self, volume: Volume, fitted: Fitted) -> Array:
        """Return the voxels normalised with what was found before, float32 (K, J, I) in [-1, 1]."""
        array = _float_copy(volume.array)
        for step, state in zip(self.steps, fitted.states, strict=True):
            step.apply(array, volume.grid, state)
        return array

    def inverse(self, array: NDArray[Any], fitted: Fitted | None = None) -> Array:
        """Return the values (K, J, I) in the units before ``forward``, float32; ``array`` stays as it is.

        Args:
            array: (K, J, I), values in [-1, 1].
            fitted: from ``fit`` or ``forward``; not needed where ``inverse_needs_fit`` is False.

        Raises:
            ValueError: a fit is needed and missing.
        """
        if fitted is None and self.inverse_needs_fit:
            raise ValueError("the inverse of this pipeline needs what was fitted to the volume")
        result = _float_copy(array)
        states = fitted.states if fitted else tuple(State() for _ in self.steps)
        grid = fitted.grid if fitted else None
        for step, state in reversed(list(zip(self.steps, states, strict=True))):
            step.revert(result, grid, state)
        return result


def _float_copy(array: NDArray[Any]) -> Array:
    return np.array(array, dtype=np.float32, order="C", copy=True)
