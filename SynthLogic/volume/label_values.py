"""Whether values can be labels: whole numbers from 0 up."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

MOST_LABEL = 255
"""The largest label that a bundle's card, a record and a cohort hold (uint8)."""
MOST_FOREIGN_LABEL = 65_535
"""The largest label of maps that are only looked at: other programs number structures in thousands."""

Fault = Literal["fractions", "range"]


def label_fault(array: NDArray[Any], most: int = MOST_LABEL) -> Fault | None:
    """What keeps values from being labels, if anything does.

    Args:
        array: of any shape and type.
        most: the largest label that is allowed.

    Returns:
        "fractions" for values that are no whole numbers, NaN among them; "range" for whole numbers below 0 or
        above ``most``, and for infinity; None for labels.
    """
    # NaN is not itself; infinity is, and lies beyond the range.
    whole = array.dtype.kind in "biu" or (array.dtype.kind == "f" and bool((array == np.rint(array)).all()))
    if not whole:
        return "fractions"
    return "range" if array.size and not 0 <= array.min() <= array.max() <= most else None
