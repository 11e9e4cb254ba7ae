"""What the steps of an intensity pipeline have in common."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from SynthLogic.volume import Grid, Volume

Array = NDArray[np.float32]

SAMPLE = 2_000_000
"""Statistics of a larger volume are taken from about this many evenly strided voxels."""


class State(BaseModel):
    """What one step found out about one volume.

    Attributes:
        values: numbers by name, in the units of the step's input.
        field: a smooth field on a coarse grid (N4's log bias); left out of JSON.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    values: dict[str, float] = {}
    field: Volume | None = Field(default=None, exclude=True, repr=False)


class BaseStep(BaseModel):
    """A change of intensities. Subclasses work in place on float32 (K, J, I) arrays."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    inverse_needs_fit: ClassVar[bool] = True

    def fit(self, array: Array, grid: Grid) -> State:
        """Measure a volume; ``array`` is not changed.

        Raises:
            InputError: a volume this step cannot be applied to.
        """
        raise NotImplementedError

    def apply(self, array: Array, grid: Grid, state: State) -> None:
        """Change ``array`` in place."""
        raise NotImplementedError

    def revert(self, array: Array, grid: Grid | None, state: State) -> None:
        """Undo ``apply`` in place, up to what it clipped."""
        raise NotImplementedError


def to_unit(array: Array, lower: float, upper: float) -> None:
    """Clip to [lower, upper] and map that linearly to [-1, 1], in place."""
    for plane in array:
        np.clip(plane, lower, upper, out=plane)
        plane -= np.float32((lower + upper) / 2)
        plane *= np.float32(2 / (upper - lower))
        np.clip(plane, -1, 1, out=plane)


def from_unit(array: Array, lower: float, upper: float) -> None:
    """Map [-1, 1] linearly to [lower, upper], in place; values beyond go on linearly."""
    for plane in array:
        plane *= np.float32((upper - lower) / 2)
        plane += np.float32((lower + upper) / 2)


def sample(array: NDArray[Any]) -> NDArray[Any]:
    """Return the finite voxels, of a large volume about ``SAMPLE`` of them at an even stride.

    The stride has no factor in common with the row and slice lengths, so it meets every column. The same
    array gives the same sample.
    """
    flat = array.reshape(-1)
    stride = -(-flat.size // SAMPLE)
    if stride > 1:
        slice_size = array.shape[-1] * array.shape[-2]
        while np.gcd(stride, slice_size) != 1:
            stride += 1
        flat = flat[::stride]
    return flat[np.isfinite(flat)]
