"""Two plain ways to blend hearts, that a label VAE has to beat: signed distance maps, and voxels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from SynthLogic.hearts.labels import HeartLabel
from SynthLogic.hearts.sampling import LABELS

Labels = NDArray[np.uint8]
Blend = Callable[[Labels, Labels, float], Labels]


def blend_distances(a: Labels, b: Labels, t: float) -> Labels:
    """Blend the signed distance maps of cavity, left ventricle and right ventricle, slice by slice.

    A structure that one slice lacks is as far away there as the slice is wide, and so soon vanishes.

    Args:
        a: (K, J, I), values of ``HeartLabel``.
        b: the same shape.
        t: from 0 (``a``) to 1 (``b``), both exact.
    """
    mixed = (1 - t) * signed_distances(a) + t * signed_distances(b)
    return labels_of(mixed)


def blend_voxels(a: Labels, b: Labels, t: float) -> Labels:
    """Blend the share that each label has of a voxel; the largest share wins, the lower label at a tie.

    Between two label maps that is the nearer of the two. Arguments as in ``blend_distances``.
    """
    shares = np.stack([(1 - t) * (a == label) + t * (b == label) for label in (0, *LABELS)])
    return shares.argmax(axis=0).astype(np.uint8)


def spread(labels: Labels, positions_to: ArrayLike, blend: Blend) -> Labels:
    """Bring a stack to other slices with one of the two.

    Args:
        labels: (K, J, I), slices at equal distances from 0 to 1.
        positions_to: (N,), from 0 to 1, where slices are wanted.
        blend: ``blend_distances`` or ``blend_voxels``.

    Returns:
        (N, J, I).
    """
    place = np.asarray(positions_to, float) * (len(labels) - 1)
    low = np.clip(np.floor(place).astype(int), 0, max(len(labels) - 2, 0))
    result = [
        blend(labels[k : k + 1], labels[min(k + 1, len(labels) - 1)][None], float(at - k))[0]
        for k, at in zip(low.tolist(), place.tolist(), strict=True)
    ]
    return np.stack(result) if result else labels[:0]


def signed_distances(labels: Labels) -> NDArray[np.float32]:
    """Distance in pixels to three outlines, (3, K, J, I), positive inside.

    They are those of the cavity, of the whole left ventricle (cavity and myocardium, so that the wall stays
    whole between them), and of the right one. What a slice lacks is as far away as the slice is wide.
    """
    cavity = labels == HeartLabel.LV_CAVITY
    regions = (cavity, cavity | (labels == HeartLabel.MYOCARDIUM), labels == HeartLabel.RV_CAVITY)
    result = np.full((len(regions), *labels.shape), -float(max(labels.shape[1:])), np.float32)
    for n, region in enumerate(regions):
        for k, plane in enumerate(region):
            if plane.any():
                # A border of pixels outside, so that a structure that fills the slice has an outline as well.
                padded = np.pad(plane, 1)
                inner, outer = ndimage.distance_transform_edt(padded), ndimage.distance_transform_edt(~padded)
                signed = np.where(padded, inner - 0.5, 0.5 - outer)
                result[n, k] = signed[1:-1, 1:-1]
    return result


def labels_of(distances: NDArray[np.float32]) -> Labels:
    """Labels (K, J, I) of ``signed_distances`` (3, K, J, I), or of a blend of them."""
    cavity, left, right = distances
    result = np.where(right > np.maximum(left, 0), np.uint8(HeartLabel.RV_CAVITY), np.uint8(0))
    result[(left > 0) & (left >= right)] = HeartLabel.MYOCARDIUM
    result[(cavity > 0) & (left >= right)] = HeartLabel.LV_CAVITY
    return result
