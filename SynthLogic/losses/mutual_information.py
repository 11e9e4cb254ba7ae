"""Normalised mutual information with a gradient, and the loss that aligns a translation with its image."""

from __future__ import annotations

import torch
from torch import Tensor

from SynthLogic.losses.precision import at_least_float32

_BINS = 64
_WINDOW = 1.0
_LEAST = 1e-12


def normalised_mutual_information(
    image: Tensor,
    other: Tensor,
    bins: int = _BINS,
    value_range: tuple[float, float] = (-1.0, 1.0),
    window: float = _WINDOW,
) -> Tensor:
    """(H(A) + H(B)) / H(A, B) - 1: 0 for images that tell nothing of each other, 1 for one that tells all.

    Studholme's measure (1999) less 1. Each value is shared among bins by a Gaussian (Parzen) window, which
    gives it a gradient. With a window of one bin or more, it does not matter where in a bin a value lies, so
    nothing draws an image's values to the bins' middles; but even equal images then stay below 1. A narrow
    window gives the common histogram of values in the bins' middles. Constant images tell nothing.

    Args:
        image: (N, C, *spatial), 2D or 3D.
        other: same shape.
        bins: of each axis of the joint histogram.
        value_range: middles of the first and the last bin; values beyond count as these.
        window: standard deviation in bins.

    Returns:
        (N,) in [0, 1]; channels count as one image.

    Raises:
        ValueError: shapes that differ, fewer than two bins, an empty range, or no window.
    """
    if image.shape != other.shape:
        raise ValueError(f"the images have shapes {tuple(image.shape)} and {tuple(other.shape)}")
    if bins < 2 or not value_range[0] < value_range[1] or window <= 0:
        raise ValueError("there must be at least 2 bins, value_range must ascend, and window be above 0")
    low, high = value_range
    places = [((at_least_float32(x).flatten(1) - low) / (high - low)).clamp(0, 1) for x in (image, other)]
    a, b = (_shares(place * (bins - 1), bins, window) for place in places)
    # Half precision would count in steps of a hundredth.
    with torch.autocast(a.device.type, enabled=False):
        joint = a.transpose(1, 2) @ b / a.shape[1]
    both = _entropy(joint.flatten(1))
    single = _entropy(joint.sum(2)) + _entropy(joint.sum(1))
    # Without any entropy 0 / 0; there is nothing that one could tell of the other.
    return torch.where(both > _LEAST, single / both.clamp_min(_LEAST) - 1, both * 0).clamp(0, 1)


def alignment_loss(
    image_a: Tensor, translated_a: Tensor, image_b: Tensor, translated_b: Tensor, bins: int = _BINS
) -> Tensor:
    """2 - NMI(x_A, G(x_A)) - NMI(x_B, G(x_B)), mean over images (Wang et al. 2018).

    Args:
        image_a: (N, C, *spatial) in [-1, 1].
        translated_a: its translation without deformation, same shape and range.
        image_b: of the other domain, likewise.
        translated_b: its translation without deformation.
        bins: see ``normalised_mutual_information``.

    Returns:
        Scalar in [0, 2].
    """
    one = normalised_mutual_information(image_a, translated_a, bins).mean()
    return 2 - one - normalised_mutual_information(image_b, translated_b, bins).mean()


def _shares(places: Tensor, bins: int, window: float) -> Tensor:
    """(N, n, bins): how much of each of (N, n), counted in bins, belongs to each bin; sums to 1."""
    middles = torch.arange(bins, device=places.device, dtype=places.dtype)
    return (-0.5 * ((places[..., None] - middles) / window).square()).softmax(-1)


def _entropy(shares: Tensor) -> Tensor:
    """(N,) of (N, n) that sum to 1."""
    return -(shares * shares.clamp_min(_LEAST).log()).sum(-1)
