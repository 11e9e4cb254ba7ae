"""Edges of two images of one subject: where one is sharp, the other should be."""

from __future__ import annotations

from torch import Tensor


def edge_loss(image: Tensor, other: Tensor) -> Tensor:
    """Mean absolute difference of neighbour differences, averaged over the spatial axes.

    Args:
        image: (N, C, *spatial), 2D or 3D, in [-1, 1].
        other: same shape.
    """
    axes = range(2, image.ndim)
    image, other = image.float(), other.float()
    differences = [(image.diff(dim=axis) - other.diff(dim=axis)).abs().mean() for axis in axes]
    return sum(differences[1:], differences[0]) / len(differences)
