"""Paint labels that were edited, so that only what lies round the edit changes.

A painter looks at a whole slice at once: labels that change somewhere change texture everywhere. So the
slice is painted with the labels before and after the edit, and the new one is faded in round it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from SynthLogic.inference import Monitor

if TYPE_CHECKING:
    from SynthLogic.hearts import ShortAxis
    from SynthLogic.inference import Painter

# New up to so far from an edited pixel, and as before from so far on, within the slice.
NEW_MM, BEFORE_MM = 6.0, 15.0


def keep_unedited(
    painter: Painter,
    image: NDArray[np.float32],
    after: ShortAxis,
    before: ShortAxis,
    style: NDArray[np.float32],
    monitor: Monitor,
) -> NDArray[np.float32]:
    """``image`` with what is far from any edit as it was before.

    Args:
        painter: that painted ``image``.
        image: (K, size, size), painted from ``after``.
        after: the edited heart, in the frame of ``before``.
        before: the heart as it was first painted.
        style: that of ``image``.
        monitor: asked for cancel.

    Returns:
        (K, size, size); a function of both hearts and the style alone.
    """
    # Edits may add a slice at either end, or take one away.
    step = after.grid.ijk_to_ras[:3, 2]
    first = round(float((after.grid.origin - before.grid.origin) @ step / (step @ step)))
    pairs = [(k, k + first) for k in range(len(image)) if 0 <= k + first < len(before.labels)]
    edited = [(k, old) for k, old in pairs if (after.labels[k] != before.labels[old]).any()]
    if not edited:
        return image
    monitor.check()
    former = painter.paint(before.labels[[old for _, old in edited]], style)
    result = image.copy()
    for (k, old), plane in zip(edited, former, strict=True):
        far = ndimage.distance_transform_edt(after.labels[k] == before.labels[old]) * after.grid.spacing[0]
        share = np.clip((BEFORE_MM - far) / (BEFORE_MM - NEW_MM), 0, 1).astype(np.float32)
        result[k] = plane + share * (image[k] - plane)
    return result


__all__ = ["BEFORE_MM", "NEW_MM", "keep_unedited"]
