"""Whether slices of labels look like a heart, thousands of them at a time."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from SynthLogic.hearts.box import box_of
from SynthLogic.hearts.labels import HeartLabel
from SynthLogic.hearts.sampling import LABELS

Mask = NDArray[np.bool_]
_TOGETHER = 256
"""Slices at a time: 4 M pixels, some 50 MB."""
# Nothing touches across slices.
_FOUR = np.pad(ndimage.generate_binary_structure(2, 1)[None], ((1, 1), (0, 0), (0, 0)))
_EIGHT = np.pad(np.ones((1, 3, 3), bool), ((1, 1), (0, 0), (0, 0)))


@dataclass(frozen=True, eq=False)
class Plausibility:
    """What holds in each slice; all arrays are boolean (N,).

    Attributes:
        one_cavity: there is LV cavity, and its pixels touch each other by sides: one piece.
        ring_closed: the myocardium is one piece, and no pixel of the cavity touches, by side or corner, the
            edge of the image or anything but cavity and myocardium: a filled ring holds the whole cavity.
        rv_attached: the right ventricle is one piece, of which at least one pixel lies no more than 2 pixels
            from the myocardium; also where there is none.
        no_islands: no structure has, beside its largest piece, one of fewer than ``smallest`` pixels. What is
            small but all there is, such as a cavity near the apex, is no island.
    """

    one_cavity: Mask
    ring_closed: Mask
    rv_attached: Mask
    no_islands: Mask

    @property
    def plausible(self) -> Mask:
        """Where all of them hold."""
        return self.one_cavity & self.ring_closed & self.rv_attached & self.no_islands

    @property
    def ringed(self) -> Mask:
        """Where there is one cavity in one closed ring, whatever the right ventricle does."""
        return self.one_cavity & self.ring_closed


def plausibility(labels: NDArray[np.uint8], *, smallest: int = 20) -> Plausibility:
    """Look at slices, each for itself.

    Args:
        labels: (J, I), or (N, J, I) with any number of slices, also none.
        smallest: pieces of fewer pixels beside a larger one are islands; 20 pixels of 1.5 mm are 45 mm².
    """
    slices = np.asarray(labels, np.uint8)
    slices = slices[None] if slices.ndim == 2 else slices
    parts = [_look(slices[n : n + _TOGETHER], smallest) for n in range(0, max(len(slices), 1), _TOGETHER)]
    return Plausibility(
        **{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Plausibility)}
    )


def _look(slices: NDArray[np.uint8], smallest: int) -> Plausibility:
    slices = _cropped(slices)
    cavity, wall, right = (slices == label for label in LABELS)
    pieces, islands = {}, np.zeros(len(slices), bool)
    for label, mask in zip(LABELS, (cavity, wall, right), strict=True):
        pieces[label], small = _pieces(mask, smallest)
        islands |= small
    leaks = (_grown(cavity, _EIGHT) & ~(cavity | wall)).any(axis=(1, 2))
    near = (_grown(_grown(wall, _EIGHT), _FOUR) & right).any(axis=(1, 2))
    return Plausibility(
        one_cavity=pieces[HeartLabel.LV_CAVITY] == 1,
        ring_closed=cavity.any(axis=(1, 2)) & (pieces[HeartLabel.MYOCARDIUM] == 1) & ~leaks,
        rv_attached=(pieces[HeartLabel.RV_CAVITY] == 0) | ((pieces[HeartLabel.RV_CAVITY] == 1) & near),
        no_islands=~islands,
    )


def _cropped(slices: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What is common to all slices, with a pixel of background round it."""
    box = box_of(np.asarray(slices.any(axis=0)))
    if box is None:
        return np.zeros((len(slices), 3, 3), np.uint8)
    return np.pad(slices[:, box[0], box[1]], ((0, 0), (1, 1), (1, 1)))


def _pieces(mask: Mask, smallest: int) -> tuple[NDArray[np.int64], Mask]:
    """How many pieces each slice has, and whether a small one beside the largest is among them."""
    numbered, count = ndimage.label(mask, _FOUR)
    sizes = np.bincount(numbered.ravel(), minlength=count + 1)[1:]
    where = np.nonzero(mask)
    slice_of = np.zeros(count + 1, np.int64)
    slice_of[numbered[where]] = where[0]
    slice_of = slice_of[1:]
    pieces = np.bincount(slice_of, minlength=len(mask))
    small = np.bincount(slice_of[sizes < smallest], minlength=len(mask))
    # A single piece is the largest, however small; several small ones are one too many.
    return pieces, (pieces > 1) & (small > 0)


def _grown(mask: Mask, structure: Mask) -> Mask:
    return np.asarray(ndimage.binary_dilation(mask, structure))
