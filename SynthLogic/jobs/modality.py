"""Guess a scan's modality from its values, and see a CT that was stored without its HU offset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

_BIN = 20.0
_PADDING = -1100


@dataclass(frozen=True)
class ModalityGuess:
    """``modality`` with a confidence from 0 to 1 and the reasons, each a clause fit to be shown.

    ``missing_offset``: a CT whose values start at 0 instead of -1024.
    """

    modality: Literal["CT", "MR"]
    confidence: float
    reasons: tuple[str, ...]
    missing_offset: bool = False


def guess_modality(values: np.ndarray, tag: str | None = None) -> ModalityGuess:
    """Guess from DICOM's Modality if it is CT or MR, else from the histogram.

    A CT in HU has air near -1000, or at least fat near -100 as a share of negative values; an MR is hardly
    ever negative. A CT without offset has nothing negative, air near 0, and one narrow peak of soft tissue
    near 1024 (water), or of fat near 920, that holds much of what is not air, as no MR in the reference data
    does.

    Args:
        values: any sample of the voxels, finite, not constant.
        tag: DICOM's Modality, if known.
    """
    # Scanners pad what lies outside their field of view with values below any HU.
    measured = values[values > _PADDING]
    values = measured if measured.size else values
    low = float(np.percentile(values, 0.5))
    offset = _offset_is_missing(values, low)
    if tag in ("CT", "MR"):
        missing = tag == "CT" and offset is not None
        reasons = (f"DICOM says {tag}", *((offset,) if missing and offset else ()))
        return ModalityGuess("CT" if tag == "CT" else "MR", 1.0, reasons, missing)
    if offset is not None:
        return ModalityGuess("CT", 0.9, (offset,), True)
    negative = float(np.mean(values < -30))
    if low <= -200:
        tissue = float(np.mean((values > -150) & (values < 300)))
        reason = f"values reach {low:.0f}, as air in HU does, and {tissue:.0%} lie near soft tissue"
        return ModalityGuess("CT", 0.98 if tissue >= 0.05 else 0.7, (reason,))
    if negative >= 0.02 and _is_integer(values):
        return ModalityGuess("CT", 0.6, (f"{negative:.0%} of the values are negative, as fat in HU is",))
    if negative < 0.002:
        return ModalityGuess("MR", 0.95, ("its values are not negative, as HU of air and fat would be",))
    return ModalityGuess("MR", 0.6, ("there is no air peak near -1000",))


def _offset_is_missing(values: np.ndarray, low: float) -> str | None:
    if low < -150 or low > 400:
        return None
    tissue = values[(values > low + 300) & (values < low + 3000)]
    air = float(np.mean(values < low + 250))
    if tissue.size < 100 or air < 0.02:
        return None
    counts, edges = np.histogram(tissue, np.arange(low + 300, low + 3000 + _BIN, _BIN))
    peak = float(edges[counts.argmax()] + _BIN / 2)
    near = float(np.mean(np.abs(tissue - peak) < 100))
    between = float(np.mean((tissue > 850) & (tissue < 1250)))
    # The peak alone could be an MR's; that bone goes on far above it and little lies below could not.
    above = float(np.percentile(values, 99.9))
    if 900 <= peak <= 1160 and near >= 0.3 and between >= 0.45 and above > peak + 250:
        return f"values start at {low:.0f}, with air there and tissue near {peak:.0f}"
    return None


def _is_integer(values: np.ndarray) -> bool:
    return values.dtype.kind in "iu" or bool(np.all(values == np.rint(values)))


__all__ = ["ModalityGuess", "guess_modality"]
