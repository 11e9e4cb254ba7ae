"""The smallest box round what is marked in a slice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def box_of(mask: NDArray[np.bool_]) -> tuple[slice, slice] | None:
    """Rows and columns from the first to the last that (J, I) marks; None where it marks nothing."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


__all__ = ["box_of"]
