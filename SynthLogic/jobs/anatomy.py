"""Two simple measures of what a scan shows: how wide the body is in it, and how much of it is lung."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from SynthLogic.volume import Volume, resample

_BLOCK_MM = 4.0
# Air outside the body lies near -1000, lung near -850 to -700, with a few HU of a scanner's calibration.
_OUTER_AIR_HU = -945.0
_AIR_HU = -500.0
_TISSUE_HU = -300.0
_SPECK_VOXELS = 20


def coarse(canonical: Volume) -> Volume:
    """The volume in voxels of at least about 4 mm, float32; enough for both measures and fast."""
    axes = tuple(max(1, int(_BLOCK_MM / 2 / s)) for s in canonical.spacing)
    thinned = canonical.array[:: axes[2], :: axes[1], :: axes[0]]
    matrix = canonical.ijk_to_ras.copy()
    matrix[:3, :3] *= axes
    volume = Volume(thinned, matrix)
    spacing = tuple(max(_BLOCK_MM, s) for s in volume.spacing)
    grid = volume.grid.with_spacing((spacing[0], spacing[1], spacing[2]))
    return resample(volume, grid, background=float(thinned.min()), dtype=np.float32)


def lung_fraction(blocks: Volume) -> float:
    """Volume of lung over the volume of lung and other tissue in a CT, 0 to 1.

    Lung is every connected region below -500 HU whose median lies above that of free air; it may be cut by
    the border of the scan. Measured: chest 0.16, heart crop 0.33, abdomen 0.01 to 0.02, head below 0.01.

    Args:
        blocks: from ``coarse``, HU.
    """
    labels, _ = ndimage.label(blocks.array < _AIR_HU)
    sizes = np.bincount(labels.ravel())
    regions = [n for n in range(1, len(sizes)) if sizes[n] >= _SPECK_VOXELS]
    medians = ndimage.median(blocks.array, labels, regions) if regions else []
    lung = sum(int(sizes[n]) for n, median in zip(regions, medians, strict=True) if median > _OUTER_AIR_HU)
    tissue = int((blocks.array > _TISSUE_HU).sum())
    return lung / max(1, lung + tissue)


def body_extent_mm(blocks: Volume, modality: str) -> tuple[float, float, float]:
    """Size of the body's bounding box along (K, J, I) in mm; where the scan cuts the body, of the scan.

    The body is the largest connected region above -300 HU, or for MR above Otsu's threshold (1979) of the
    square root of the values, which keeps dark tissue.

    Args:
        blocks: from ``coarse``, canonical order.
        modality: "CT" or "MR".
    """
    array = blocks.array
    if modality == "CT":
        body = array > _TISSUE_HU
    else:
        top = max(float(np.percentile(array, 99)), 1e-6)
        root = np.sqrt(np.clip(array, 0, top) / top).astype(np.float32)
        body = sitk.GetArrayFromImage(sitk.OtsuThreshold(sitk.GetImageFromArray(root), 0, 1)) > 0
    # Opening takes away table and noise; beyond the border the body goes on.
    opened = ndimage.binary_opening(np.pad(body, 1, mode="edge"))[1:-1, 1:-1, 1:-1]
    labels, count = ndimage.label(opened if opened.any() else body)
    if not count:
        return 0.0, 0.0, 0.0
    box = ndimage.find_objects(labels)[int(np.bincount(labels.ravel())[1:].argmax())]
    k, j, i = ((s.stop - s.start) * mm for s, mm in zip(box, blocks.spacing[::-1], strict=True))
    return k, j, i


__all__ = ["body_extent_mm", "coarse", "lung_fraction"]
