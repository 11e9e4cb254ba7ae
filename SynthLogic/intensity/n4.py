"""N4 correction of the smooth shading that MR coils leave."""

from __future__ import annotations

from typing import Literal

import numpy as np
import SimpleITK as sitk
from pydantic import Field

from SynthLogic.errors import InputError
from SynthLogic.intensity.step import Array, BaseStep, State
from SynthLogic.volume import Grid, Volume, resample

_FEWEST = 8
_SLAB = 16


class N4(BaseStep):
    """Divide by the bias field that N4 finds; the inverse multiplies by the same field.

    Tustison et al., N4ITK: improved N3 bias correction, IEEE TMI 29, 2010. The field is found on a shrunk
    image inside an Otsu mask; its logarithm is kept on that coarse grid and interpolated linearly.
    One number of ITK threads gives the same bits again; another one differs by about 1e-6.
    Inside the mask its mean logarithm is set to 0, so the overall brightness stays.

    Attributes:
        shrink: take every n-th voxel along the finest axes (fewer along coarser ones) for the estimate.
        iterations: at most, per level; each level halves the distance of the field's control points.
        convergence: stop a level when the field changes by less than this coefficient of variation.
    """

    kind: Literal["n4"] = "n4"
    shrink: int = Field(default=4, ge=1)
    iterations: tuple[int, ...] = Field(default=(50, 50, 30), min_length=1)
    convergence: float = Field(default=1e-3, gt=0)

    def fit(self, array: Array, grid: Grid) -> State:
        """Estimate the bias field.

        Raises:
            InputError: no positive voxels, or nothing stands out from the background.
        """
        factors = self._factors(grid)
        matrix = grid.ijk_to_ras.copy()
        matrix[:3, :3] = grid.ijk_to_ras[:3, :3] * np.asarray(factors[::-1])
        matrix[:3, 3] = grid.to_ras([(f - 1) / 2 for f in factors[::-1]])
        coarse = Volume(_binned(array, factors), matrix)
        return State(field=coarse.with_array(self._log_field(coarse)))

    def apply(self, array: Array, grid: Grid, state: State) -> None:
        """Divide by the field in place."""
        _scale(array, grid, state, -1)

    def revert(self, array: Array, grid: Grid | None, state: State) -> None:
        """Multiply by the field in place."""
        if grid is None:
            raise ValueError("the inverse of N4 needs the grid of the volume")
        _scale(array, grid, state, 1)

    def _factors(self, grid: Grid) -> tuple[int, int, int]:
        """Shrink factors along (K, J, I)."""
        finest = min(grid.spacing)
        k, j, i = (
            max(1, min(round(self.shrink * finest / s), n // _FEWEST))
            for s, n in zip(grid.spacing[::-1], grid.shape, strict=True)
        )
        return k, j, i

    def _log_field(self, coarse: Volume) -> Array:
        """Return the natural logarithm of the bias field on the coarse grid."""
        flat = tuple(n for n, size in enumerate(coarse.shape) if size == 1)
        if len(flat) > 1:
            raise InputError("The scan is a single line of voxels; bias correction needs an image.")
        values = np.squeeze(coarse.array, flat)
        image = sitk.GetImageFromArray(values)
        image.SetSpacing([s for n, s in enumerate(coarse.spacing) if 2 - n not in flat])
        inside = sitk.GetArrayFromImage(sitk.OtsuThreshold(image, 0, 1)).astype(bool) & (values > 0)
        if not inside.any():
            raise InputError(
                "The scan has no positive voxels that stand out; bias correction needs an MR magnitude image."
            )
        mask = sitk.GetImageFromArray(inside.astype(np.uint8))
        mask.CopyInformation(image)
        corrector = sitk.N4BiasFieldCorrectionImageFilter()
        corrector.SetMaximumNumberOfIterations(list(self.iterations))
        corrector.SetConvergenceThreshold(self.convergence)
        try:
            corrector.Execute(image, mask)
            field = sitk.GetArrayFromImage(corrector.GetLogBiasFieldAsImage(image)).astype(np.float32)
        except RuntimeError:
            raise InputError(
                "Bias correction failed on this scan; correct it beforehand and use a bundle without N4."
            ) from None
        known = field[inside] - field[inside].mean()
        # Far outside the mask the spline is extrapolated and may go anywhere.
        field = np.clip(field - field[inside].mean(), known.min(), known.max())
        return np.asarray(field.reshape(coarse.shape))


def _binned(array: Array, factors: tuple[int, int, int]) -> Array:
    """Average blocks of voxels; a block cut by the far border averages what there is of it."""
    starts = [np.arange(0, n, f) for n, f in zip(array.shape, factors, strict=True)]
    counts = [np.diff([*s, n]).astype(np.float32) for s, n in zip(starts, array.shape, strict=True)]
    result = np.empty([len(s) for s in starts], np.float32)
    for k, first in enumerate(starts[0]):
        plane = array[first : first + factors[0]].sum(axis=0) / counts[0][k]
        plane = np.add.reduceat(np.add.reduceat(plane, starts[1], axis=0), starts[2], axis=1)
        result[k] = plane / (counts[1][:, None] * counts[2])
    return result


def _scale(array: Array, grid: Grid, state: State, sign: int) -> None:
    """Multiply by exp(sign * field) in place, a few slices at a time."""
    field = state.field
    if field is None:
        raise ValueError("this state has no bias field (a record does not keep it); fit the scan again")
    for start in range(0, array.shape[0], _SLAB):
        slab = array[start : start + _SLAB]
        matrix = grid.ijk_to_ras.copy()
        matrix[:3, 3] = grid.to_ras((0, 0, start))
        local = resample(field, Grid((slab.shape[0], slab.shape[1], slab.shape[2]), matrix)).array
        slab *= np.exp(np.float32(sign) * local)
