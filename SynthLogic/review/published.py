"""The papers' own scales: figures that are only comparable with theirs if taken exactly so."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from SynthLogic.errors import ConfigError
from SynthLogic.review.metrics import Range, mae, psnr

HIASA_WINDOWS: dict[str, Range] = {"CT": (-150.0, 350.0), "MR": (0.0, 100.0)}
"""(lower, upper) that Hiasa et al. 2018, section 2.2, map to 0 and 255, in HU or in their MR's units."""


def to_255(image: ArrayLike, window: Range) -> NDArray[np.float32]:
    """``image`` (any shape) with ``window`` mapped to [0, 255] and clipped (Hiasa 2018, section 2.2).

    Raises:
        ConfigError: a window that is not finite or not ascending.
    """
    lower, upper = window
    if not (math.isfinite(lower) and math.isfinite(upper) and lower < upper):
        raise ConfigError(f"The window {lower:g} to {upper:g} is empty; give a lower and a higher number.")
    scaled = (np.asarray(image, np.float32) - np.float32(lower)) * np.float32(255.0 / (upper - lower))
    return np.asarray(np.clip(scaled, 0.0, 255.0))


def mae_255(
    output: ArrayLike, reference: ArrayLike, window: Range, mask: NDArray[Any] | None = None
) -> float:
    """Mean absolute error in the [0, 255] scale of Hiasa 2018 (table 1), 0 to 255."""
    return mae(to_255(output, window), to_255(reference, window), mask)


def psnr_255(
    output: ArrayLike, reference: ArrayLike, window: Range, mask: NDArray[Any] | None = None
) -> float:
    """PSNR = 20 log10(255 / sqrt(MSE)) in dB in the [0, 255] scale of Hiasa 2018 (section 3, table 1)."""
    return psnr(to_255(output, window), to_255(reference, window), data_range=255.0, mask=mask)


def psnr_peak(
    output: ArrayLike, reference: ArrayLike, mask: NDArray[Any] | None = None, *, peak: float | None = None
) -> float:
    """PSNR = 10 log10(max(reference)^2 / MSE) in dB (Wang 2018, Evaluation Metrics).

    It depends on where the images' zero lies: for CT in HU it is not comparable with other definitions.

    Args:
        output: any shape.
        reference: the same shape.
        mask: voxels that count.
        peak: max(reference) where it is known, as that of the whole volume when a region is looked at.

    Returns:
        Infinite where the images are equal; not a number where the peak is not above 0.
    """
    if peak is None:
        values = np.asarray(reference) if mask is None else np.asarray(reference)[mask]
        if values.size == 0:
            raise ConfigError("There is no voxel to compare: the mask is empty.")
        peak = float(values.max())
    return psnr(output, reference, data_range=peak, mask=mask) if peak > 0 else math.nan


__all__ = ["HIASA_WINDOWS", "mae_255", "psnr_255", "psnr_peak", "to_255"]
