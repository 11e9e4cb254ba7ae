"""The body in a CT or MR volume, so that air around the patient flatters no figure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from SynthLogic.errors import InputError
from SynthLogic.volume import Volume

# Between air and fat; couch foam and blankets lie below.
CT_THRESHOLD = -350.0
# Share of the Otsu threshold: Otsu alone splits muscle from fat once the field of view is full of body.
MR_SHARE = 0.25
OPENING_MM = 6.0
_ANISOTROPIC = 1.5


def body_mask(volume: Volume, modality: str, *, threshold: float | None = None) -> NDArray[np.bool_]:
    """Boolean mask (K, J, I) of the body: the largest component above ``threshold``, holes filled.

    Works slice by slice, in the planes the scan was made of (axial where the voxels are about isotropic), so
    that lungs cut by the end of the scan are filled too. An opening of 6 mm frees the body from couch and
    coils before the largest component is taken. In CT, holes are what the body encloses; in MR, where a thin
    chest wall often fades, they are what the body surrounds on three of four sides, so that the hollow of an
    armpit may count as body.

    Args:
        volume: CT in HU or MR in any units, any orientation.
        modality: "CT" (threshold -350 HU) or "MR" (a quarter of the Otsu threshold).
        threshold: another threshold, in the volume's units.

    Raises:
        InputError: nothing lies above the threshold.
    """
    canonical, orientation = volume.canonical()
    spacing = np.asarray(canonical.spacing[::-1])
    through = int(spacing.argmax()) if spacing.max() > _ANISOTROPIC * np.median(spacing) else 0
    array = np.moveaxis(canonical.array, through, 0)
    in_plane = np.delete(spacing, through)
    if threshold is None:
        threshold = CT_THRESHOLD if modality == "CT" else MR_SHARE * _otsu(array)
    above = array > threshold
    element = _ellipse(*(OPENING_MM / in_plane))
    opened = ndimage.binary_opening(above, element)
    labels, count = ndimage.label(opened if opened.any() else above)
    if count == 0:
        raise InputError(f"No body was found: no voxel lies above {threshold:g}; give another threshold.")
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    body = labels == int(sizes.argmax())
    # The opening also took skin and thin walls: give back what touches the body within its radius.
    body |= ndimage.binary_dilation(body, element) & above
    for slice_ in body:
        slice_ |= ndimage.binary_fill_holes(slice_)
        if modality == "MR":
            slice_ |= _surrounded(slice_)
    return np.ascontiguousarray(orientation.restore(np.moveaxis(body, 0, through)))


def _surrounded(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels that see the mask in at least three of the four directions of a slice."""
    seen = np.zeros(mask.shape, dtype=np.uint8)
    for axis in (0, 1):
        seen += np.logical_or.accumulate(mask, axis=axis)
        seen += np.flip(np.logical_or.accumulate(np.flip(mask, axis), axis=axis), axis)
    return seen >= 3


def _ellipse(diameter_j: float, diameter_i: float) -> NDArray[np.bool_]:
    """Structuring element (1, J, I) of these diameters in voxels."""
    radius_j, radius_i = diameter_j / 2, diameter_i / 2
    j, i = np.ogrid[-int(radius_j) : int(radius_j) + 1, -int(radius_i) : int(radius_i) + 1]
    return ((j / max(radius_j, 0.5)) ** 2 + (i / max(radius_i, 0.5)) ** 2 <= 1)[None]


def _otsu(array: NDArray[Any], bins: int = 256) -> float:
    """Threshold with the largest variance between classes (Otsu 1979), bright outliers clipped."""
    upper = float(np.percentile(array, 99.5))
    counts, edges = np.histogram(np.minimum(array, upper), bins=bins)
    centres = 0.5 * (edges[:-1] + edges[1:])
    below = np.cumsum(counts)
    total = below[-1]
    moment = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (moment[-1] * below / total - moment) ** 2 / (below * (total - below))
    between = np.where(np.isfinite(between), between, -1.0)
    # Between two well separated classes every threshold is as good: take the middle.
    return float(centres[between >= between.max() * (1 - 1e-9)].mean())
