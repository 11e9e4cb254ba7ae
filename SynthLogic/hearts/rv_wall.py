"""Data sets that give the wall of the right ventricle the label of the myocardium: taking it away again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from SynthLogic.hearts.labels import HeartLabel

_SAMPLES = 96
_TOLERANCE = 1.3


def rv_wall_share(labels: NDArray[np.uint8]) -> float:
    """Share of the RV cavity's outline that touches myocardium, 0 to 1; 0 without one.

    Some 0.4 where it touches the septum alone, and nearly 1 where its own wall is labelled as well.

    Args:
        labels: (K, J, I) short-axis slices, values of ``HeartLabel``.
    """
    padded = np.pad(labels, ((0, 0), (1, 1), (1, 1)))
    cavity, wall = padded == HeartLabel.RV_CAVITY, padded == HeartLabel.MYOCARDIUM
    outline = touching = 0
    for axis in (1, 2):
        for step in (1, -1):
            outline += int((cavity & ~np.roll(cavity, step, axis)).sum())
            touching += int((cavity & np.roll(wall, step, axis)).sum())
    return touching / outline if outline else 0.0


def without_rv_wall(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return short-axis slices in which the myocardium is that of the left ventricle alone.

    Seen from the middle of the LV cavity, the septum lies before the right ventricle and its free wall behind
    it. Where the two walls meet, what lies further from the cavity than the lateral wall is thick goes too.
    Slices with a right ventricle but without LV cavity keep no myocardium; slices without right ventricle
    stay as they are.

    Args:
        labels: (K, J, I), values of ``HeartLabel``; not changed.
    """
    result = labels.copy()
    for plane in result:
        right = plane == HeartLabel.RV_CAVITY
        wall = plane == HeartLabel.MYOCARDIUM
        if right.any() and wall.any():
            plane[wall & ~_left_wall(wall, plane == HeartLabel.LV_CAVITY, right)] = HeartLabel.BACKGROUND
    return result


def _left_wall(
    wall: NDArray[np.bool_], cavity: NDArray[np.bool_], right: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    if not cavity.any():
        return np.zeros_like(wall)
    places = np.argwhere(wall)
    middle = np.argwhere(cavity).mean(axis=0)
    share = np.linspace(0, 1, _SAMPLES)[:, None, None]
    between = np.rint(middle + share * (places - middle)).astype(int)
    hidden = right[between[..., 0], between[..., 1]].any(axis=0)
    away = ndimage.distance_transform_edt(~cavity)[wall]
    lateral = (places - middle) @ (np.argwhere(right).mean(axis=0) - middle) < 0
    if lateral.any():
        hidden |= ~lateral & (away > _TOLERANCE * np.percentile(away[lateral], 95))
    kept = np.zeros_like(wall)
    kept[tuple(places[~hidden].T)] = True
    pieces, count = ndimage.label(kept)
    if count > 1:
        kept = pieces == 1 + np.bincount(pieces[kept])[1:].argmax()
    return kept
