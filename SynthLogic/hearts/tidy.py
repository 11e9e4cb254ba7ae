"""Stray pixels taken off decoded labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from SynthLogic.hearts.box import box_of
from SynthLogic.hearts.labels import HeartLabel
from SynthLogic.hearts.sampling import LABELS

# Touching by a side, within a slice.
_SIDES = np.pad(ndimage.generate_binary_structure(2, 1)[None], ((1, 1), (0, 0), (0, 0)))
_FEWEST = 4


def without_islands(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Keep the largest piece of each structure in each slice, and no right ventricle of fewer than 4 pixels.

    What lay apart becomes background; inside the ring of the myocardium, cavity. A decoder draws such specks
    where a structure comes to its end.

    Args:
        labels: (K, J, I), values of ``HeartLabel``; not changed.
    """
    result = labels.copy()
    box = box_of((labels != HeartLabel.BACKGROUND).any(axis=0))
    if box is not None:
        # A view: the rest is background, and stays.
        _tidy(result[:, box[0], box[1]])
    return result


def _tidy(result: NDArray[np.uint8]) -> None:
    """Do so in place."""
    for label in LABELS:
        mask = result == label
        numbered, count = ndimage.label(mask, _SIDES)
        areas = np.count_nonzero(mask, axis=(1, 2))
        least = _FEWEST if label == HeartLabel.RV_CAVITY else 1
        if count == np.count_nonzero(areas) == np.count_nonzero(areas >= least):
            continue  # one piece in each slice, as nearly always
        sizes = np.bincount(numbered.ravel(), minlength=count + 1)
        sizes[0] = 0
        slice_of = np.zeros(count + 1, int)
        place = np.nonzero(mask)
        slice_of[numbered[place]] = place[0]
        keep = np.zeros(count + 1, bool)
        # The last writer of a slice is its largest piece.
        largest = np.zeros(len(result), int)
        order = np.argsort(sizes, kind="stable")
        order = order[order > 0]
        largest[slice_of[order]] = order
        keep[largest[np.unique(slice_of[1:])]] = True
        keep &= sizes >= least
        keep[0] = True
        stray = mask & ~keep[numbered]
        if stray.any():
            result[stray] = HeartLabel.BACKGROUND
            if label != HeartLabel.LV_CAVITY:
                _fill(result, stray)


def _fill(labels: NDArray[np.uint8], stray: NDArray[np.bool_]) -> None:
    """Stray pixels that now lie amid the cavity become cavity, in place."""
    for k in np.unique(np.nonzero(stray)[0]):
        filled = ndimage.binary_fill_holes(labels[k] == HeartLabel.LV_CAVITY)
        labels[k][filled & stray[k]] = HeartLabel.LV_CAVITY
