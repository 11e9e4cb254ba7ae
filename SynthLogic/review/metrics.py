"""Figures of image quality, each with its formula and source.

Arrays are (K, J, I) unless said otherwise. Every function takes an optional boolean ``mask`` of the same
shape (for example the body); without one, all voxels count. Sums are carried in float64.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from SynthLogic.errors import ConfigError

Array = NDArray[Any]
Range = tuple[float, float]

SSIM_WINDOW = 7
_K1, _K2 = 0.01, 0.03


def mae(output: ArrayLike, reference: ArrayLike, mask: Array | None = None) -> float:
    """Mean absolute error, mean(abs(output - reference)), in the images' units."""
    a, b = _pair(output, reference, mask)
    return float(np.mean(np.abs(a - b), dtype=np.float64))


def mse(output: ArrayLike, reference: ArrayLike, mask: Array | None = None) -> float:
    """Mean squared error, mean((output - reference)^2), in the images' units squared."""
    a, b = _pair(output, reference, mask)
    return float(np.mean(np.square(a - b), dtype=np.float64))


def bias(output: ArrayLike, reference: ArrayLike, mask: Array | None = None) -> float:
    """Mean signed error, mean(output - reference), in the images' units, positive if too bright."""
    a, b = _pair(output, reference, mask)
    return float(np.mean(a - b, dtype=np.float64))


def psnr(output: ArrayLike, reference: ArrayLike, *, data_range: float, mask: Array | None = None) -> float:
    """Peak signal-to-noise ratio in dB, 10 log10(data_range^2 / MSE); infinite where the images are equal.

    ``data_range`` is said by the caller because the literature does not agree on it: 255 after scaling to
    [0, 255] (Hiasa 2018), the largest value of the reference (Wang 2018), or the width of a window.
    """
    _check_range(data_range)
    error = mse(output, reference, mask)
    return math.inf if error == 0 else 10.0 * math.log10(data_range**2 / error)


def ssim(
    output: ArrayLike,
    reference: ArrayLike,
    *,
    data_range: float,
    mask: Array | None = None,
    slicewise: bool | None = None,
) -> float:
    """Mean structural similarity over local windows (Wang et al. 2004), in [-1, 1], 1 for equal images.

    SSIM = (2 ma mb + C1)(2 sab + C2) / ((ma^2 + mb^2 + C1)(sa^2 + sb^2 + C2)), C1 = (0.01 R)^2,
    C2 = (0.03 R)^2, with means and (co)variances in windows of 7 voxels a side and R = ``data_range``;
    the map is averaged over the mask. Computed by scikit-image.

    Args:
        output: (K, J, I) or (J, I).
        reference: the same shape.
        data_range: R, in the images' units.
        mask: where the map is averaged.
        slicewise: True for windows of 7 x 7 within each slice, False for 7 x 7 x 7. None takes 3D windows
            unless the stack is thinner than 7 slices.

    Raises:
        ConfigError: scikit-image is not installed, or the slices are smaller than the window.
    """
    local = ssim_map(output, reference, data_range=data_range, slicewise=slicewise)
    if mask is not None and mask.shape != local.shape:
        _check_shapes(local, local, mask)
    return float(np.mean(local if mask is None else local[mask], dtype=np.float64))


def ssim_map(
    output: ArrayLike, reference: ArrayLike, *, data_range: float, slicewise: bool | None = None
) -> Array:
    """The structural similarity of the window around every voxel, of the images' shape; see `ssim`."""
    _check_range(data_range)
    try:
        from skimage.metrics import structural_similarity
    except ImportError as error:
        raise ConfigError("SSIM needs scikit-image: pip install 'crossmodalsynth[app]'.") from error
    a, b = np.asarray(output), np.asarray(reference)
    _check_shapes(a, b, None)
    if min(a.shape[-2:]) < SSIM_WINDOW:
        raise ConfigError(
            f"SSIM needs slices of at least {SSIM_WINDOW} x {SSIM_WINDOW} voxels; these have {a.shape[-2:]}."
        )
    if slicewise is None:
        slicewise = a.ndim == 3 and a.shape[0] < SSIM_WINDOW
    dtype = np.result_type(a.dtype, b.dtype, np.float32)
    a, b = a.astype(dtype, copy=False), b.astype(dtype, copy=False)
    options = {"win_size": SSIM_WINDOW, "data_range": data_range, "full": True}
    if slicewise and a.ndim == 3:
        return np.stack([structural_similarity(x, y, **options)[1] for x, y in zip(a, b, strict=True)])
    return np.asarray(structural_similarity(a, b, **options)[1])


def ssim_global(
    output: ArrayLike, reference: ArrayLike, *, data_range: float, mask: Array | None = None
) -> float:
    """Structural similarity from one mean, variance and covariance of the volume (Wang 2018, DicycleGAN).

    The formula of `ssim` with a single window. It says far less about structure and is usually higher:
    never compare it with a windowed SSIM.
    """
    _check_range(data_range)
    a, b = _pair(output, reference, mask)
    mean_a, mean_b = float(a.mean()), float(b.mean())
    covariance = float(np.mean((a - mean_a) * (b - mean_b)))
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return luminance * (2 * covariance + c2) / (float(a.var()) + float(b.var()) + c2)


def dice(output: ArrayLike, reference: ArrayLike, mask: Array | None = None) -> float:
    """Dice coefficient of two boolean masks, 2 |A and B| / (|A| + |B|) (Dice 1945).

    Not a number where both are empty: then there is nothing to compare, which is not the same as agreement.
    """
    a, b = np.asarray(output, dtype=bool), np.asarray(reference, dtype=bool)
    _check_shapes(a, b, mask)
    if mask is not None:
        a, b = a & mask, b & mask
    total = int(np.count_nonzero(a)) + int(np.count_nonzero(b))
    return math.nan if total == 0 else 2.0 * int(np.count_nonzero(a & b)) / total


def mutual_information(
    a: ArrayLike,
    b: ArrayLike,
    mask: Array | None = None,
    *,
    bins: int = 64,
    ranges: tuple[Range | None, Range | None] = (None, None),
) -> float:
    """Mutual information in nats from a joint histogram: sum p(a, b) log(p(a, b) / (p(a) p(b))) (Wells 1996).

    Args:
        a: one image, in any units.
        b: the other, of the same shape, in any units.
        mask: voxels that count.
        bins: equal bins per image; compare figures only at the same number.
        ranges: (lower, upper) of the bins of each image; values outside fall into the outer bins. None takes
            the range of the voxels that count.
    """
    entropy_a, entropy_b, joint = _entropies(a, b, mask, bins, ranges)
    return max(0.0, entropy_a + entropy_b - joint)


def normalized_mutual_information(
    a: ArrayLike,
    b: ArrayLike,
    mask: Array | None = None,
    *,
    bins: int = 64,
    ranges: tuple[Range | None, Range | None] = (None, None),
) -> float:
    """Studholme's normalised mutual information less 1, (H(a) + H(b)) / H(a, b) - 1, in [0, 1] (1999).

    0 for images that tell nothing of each other and where one is constant, 1 for one that tells all of the
    other. It is the measure of Wang 2018 and of the loss made from it, and scikit-image's less 1. Arguments
    as in `mutual_information`.
    """
    entropy_a, entropy_b, joint = _entropies(a, b, mask, bins, ranges)
    return 0.0 if joint == 0 else min(1.0, max(0.0, (entropy_a + entropy_b) / joint - 1.0))


def _entropies(
    a: ArrayLike, b: ArrayLike, mask: Array | None, bins: int, ranges: tuple[Range | None, Range | None]
) -> tuple[float, float, float]:
    x, y = _pair(a, b, mask)
    joint = np.bincount(
        _binned(x, bins, ranges[0]) * bins + _binned(y, bins, ranges[1]), minlength=bins * bins
    )
    table = joint.reshape(bins, bins)
    return _entropy(table.sum(axis=1)), _entropy(table.sum(axis=0)), _entropy(joint)


def _binned(values: Array, bins: int, limits: Range | None) -> NDArray[np.int64]:
    lower, upper = limits if limits is not None else (float(values.min()), float(values.max()))
    if upper <= lower:
        return np.zeros(values.shape, dtype=np.int64)
    return np.clip((values - lower) * (bins / (upper - lower)), 0, bins - 1).astype(np.int64)


def _entropy(counts: Array) -> float:
    p = counts[counts > 0] / counts.sum()
    return float(-np.sum(p * np.log(p)))


def _pair(a: ArrayLike, b: ArrayLike, mask: Array | None) -> tuple[Array, Array]:
    x, y = np.asarray(a), np.asarray(b)
    _check_shapes(x, y, mask)
    x, y = (x.ravel(), y.ravel()) if mask is None else (x[mask], y[mask])
    if x.size == 0:
        raise ConfigError("There is no voxel to compare: the mask is empty.")
    return x.astype(np.float64), y.astype(np.float64)


def _check_shapes(a: Array, b: Array, mask: Array | None) -> None:
    if a.shape != b.shape or (mask is not None and mask.shape != a.shape):
        shapes = f"{a.shape}, {b.shape}" + ("" if mask is None else f" and mask {mask.shape}")
        raise ConfigError(
            f"Only images of one shape can be compared; these have {shapes}: resample them first."
        )


def _check_range(data_range: float) -> None:
    if not (math.isfinite(data_range) and data_range > 0):
        raise ConfigError(f"data_range is {data_range}; it must be a positive number in the images' units.")
