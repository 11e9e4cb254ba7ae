"""The best voxel-wise look-up table: how far a method gets that looks at one voxel at a time.

It is fitted on the truth of the very subjects it is judged on, so no method that maps each voxel's value to
another value, learned or written by hand, can have a smaller error on them. A network that does not beat it
clearly has learned no anatomy, only a change of contrast.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from SynthLogic.errors import ConfigError

Array = NDArray[Any]
Statistic = Literal["median", "mean"]

BINS = 4096


@dataclass(frozen=True)
class LookupTable:
    """A function of one voxel's value, constant between two neighbouring ``edges``.

    Attributes:
        edges: (n - 1,) increasing bounds between the n entries, in the input's units.
        values: (n,) the entries, in the reference's units.
        statistic: "median" (smallest mean absolute error) or "mean" (smallest mean squared error).
    """

    edges: NDArray[np.float64]
    values: NDArray[np.float64]
    statistic: Statistic

    @classmethod
    def fit(
        cls,
        pairs: Iterable[tuple[Array, Array, Array | None]],
        *,
        statistic: Statistic = "median",
        bins: int = BINS,
    ) -> LookupTable:
        """Fit one table to all ``pairs`` together; pass a single pair for the table of one subject.

        The entry for an input value x is the conditional median (or mean) of the reference given x, which
        minimises E|y - f(x)| (or E(y - f(x))^2) over all functions f (Hastie 2009, section 2.4).
        With at most ``bins`` different input values, as in any CT in whole HU, every value has its own entry
        and the table is exactly optimal; otherwise values share ``bins`` bins of equal width, and it is
        optimal among all functions that are constant in each.

        Args:
            pairs: (input, reference, mask) of each subject, arrays of one shape; the mask may be None.
            statistic: what the entries are.
            bins: largest number of entries.

        Raises:
            ConfigError: no voxels, or shapes that differ.
        """
        inputs, references = _collect(pairs)
        edges = _edges(inputs, bins)
        entry = np.searchsorted(edges, inputs, side="right").astype(np.uint32)
        count = np.bincount(entry, minlength=edges.size + 1)
        if statistic == "mean":
            total = np.bincount(entry, weights=references, minlength=count.size)
            with np.errstate(invalid="ignore"):
                values = total / count
        else:
            values = _medians(entry, references, count)
        filled = count > 0
        centres = np.arange(count.size)
        return cls(edges, np.interp(centres, centres[filled], values[filled]), statistic)

    def apply(self, array: Array) -> NDArray[np.float32]:
        """Map every voxel of ``array`` to float32; values beyond those seen take the outermost entry."""
        return self.values.astype(np.float32)[np.searchsorted(self.edges, array, side="right")]


def _collect(pairs: Iterable[tuple[Array, Array, Array | None]]) -> tuple[Array, Array]:
    inputs, references = [], []
    for source, reference, mask in pairs:
        if source.shape != reference.shape or (mask is not None and mask.shape != source.shape):
            raise ConfigError(
                "A look-up table needs input, reference and mask of one shape; "
                f"got {source.shape} and {reference.shape}."
            )
        inputs.append(source.ravel() if mask is None else source[mask])
        references.append(reference.ravel() if mask is None else reference[mask])
    if not inputs or not sum(part.size for part in inputs):
        raise ConfigError("A look-up table cannot be fitted to no voxels: the masks are empty.")
    return np.concatenate(inputs), np.concatenate(references)


def _edges(inputs: Array, bins: int) -> NDArray[np.float64]:
    distinct = np.unique(inputs).astype(np.float64)
    if distinct.size <= bins:
        # The upper of two neighbours is the bound: their midpoint may round to either of them.
        return distinct[1:]
    return np.linspace(distinct[0], distinct[-1], bins + 1)[1:-1]


def _medians(entry: Array, references: Array, count: Array) -> NDArray[np.float64]:
    """Median of ``references`` within each entry; not a number for empty ones."""
    by_value = np.argsort(references, kind="stable")
    ordered = references[by_value[np.argsort(entry[by_value], kind="stable")]]
    start = np.cumsum(count) - count
    last = ordered.size - 1
    low = ordered[np.minimum(start + np.maximum(count - 1, 0) // 2, last)].astype(np.float64)
    high = ordered[np.minimum(start + count // 2, last)].astype(np.float64)
    return np.where(count > 0, 0.5 * (low + high), np.nan)
