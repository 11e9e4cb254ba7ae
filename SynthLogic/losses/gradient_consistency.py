"""Gradient consistency: an image's edges should be its translation's (Hiasa et al. 2018, eq. 2 to 4)."""

from __future__ import annotations

from torch import Tensor

from SynthLogic.losses.precision import at_least_float32

# Under the root of a sum of squares, so that a flat image has a gradient too.
_LEAST = 1e-12
# Of the differences whose size is taken, so that it is smooth at 0.
_SMOOTH = 1e-3


def gradient_consistency_loss(image: Tensor, translated: Tensor) -> Tensor:
    """1 - GC: 0 where all edges agree, 1 where they have nothing in common, 2 where all are reversed.

    GC is the mean over the spatial axes of the normalised cross-correlation of the differences between
    neighbours, and signed as published: where contrast is reversed, as that of bone between CT and MR, edges
    that match perfectly count as wrong. ``edge_consistency_loss`` does not mind.

    Args:
        image: (N, C, *spatial), 2D or 3D, any linear units.
        translated: same shape, any linear units.

    Returns:
        Scalar in [0, 2], mean over images and channels.
    """
    return _loss(image, translated, signed=True)


def edge_consistency_loss(image: Tensor, translated: Tensor) -> Tensor:
    """As ``gradient_consistency_loss`` of the differences' sizes, whatever their signs: for any contrast.

    Arguments as there. Where two images share no edges it is about 1; 0 for equal and for reversed ones.
    """
    return _loss(image, translated, signed=False)


def _loss(image: Tensor, translated: Tensor, signed: bool) -> Tensor:
    image, translated = at_least_float32(image), at_least_float32(translated)
    found = []
    for axis in range(2, image.ndim):
        a, b = image.diff(dim=axis), translated.diff(dim=axis)
        if not signed:
            a, b = ((x.square() + _SMOOTH**2).sqrt() - _SMOOTH for x in (a, b))
        found.append(_correlation(a.flatten(2), b.flatten(2)).mean())
    return 1 - sum(found[1:], found[0]) / len(found)


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    """NCC (N, C) of (N, C, n), eq. 2; 0 where one of them is constant."""
    a, b = a - a.mean(-1, keepdim=True), b - b.mean(-1, keepdim=True)
    norms = (a.square().sum(-1) + _LEAST).sqrt() * (b.square().sum(-1) + _LEAST).sqrt()
    return (a * b).sum(-1) / norms
