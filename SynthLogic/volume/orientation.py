"""Which axis of an array lies along which direction of the patient."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TIE = 1e-5


@dataclass(frozen=True)
class Orientation:
    """How a stored array is turned into the canonical one, and back.

    Attributes:
        axes: canonical axis n (of K, J, I) is the stored array axis ``axes[n]``.
        flips: whether canonical axis n runs against that stored axis.
    """

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]

    def apply(self, array: NDArray[Any]) -> NDArray[Any]:
        """Turn a stored array into the canonical order; a view."""
        return self._flip(array.transpose(self.axes))

    def restore(self, array: NDArray[Any]) -> NDArray[Any]:
        """Turn a canonical array back into the stored order; a view."""
        first, second, third = (self.axes.index(n) for n in range(3))
        return self._flip(array).transpose(first, second, third)

    def _flip(self, array: NDArray[Any]) -> NDArray[Any]:
        return array[tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)]


def assignment(direction: NDArray[np.float64]) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """For R, A and S: the grid axis (0 I, 1 J, 2 K) that takes it, and whether it is reversed (-1).

    Of the six assignments, the one with the largest sum of absolute cosines; ties (45 degrees) are broken
    by the axes' place in the world alone.

    Args:
        direction: 3x3, columns are the unit vectors of I, J and K in RAS.
    """
    candidates = []
    for perm in permutations(range(3)):
        signs = tuple(_sign(direction[:, axis], world) for world, axis in enumerate(perm))
        turned = direction[:, list(perm)] * np.asarray(signs)
        diagonal = np.diag(turned)
        # Every number here depends on the axes as lines in the world, never on how they were stored.
        key = np.concatenate([[np.abs(diagonal).sum()], diagonal[::-1], turned.T.ravel()])
        candidates.append((key, perm, signs))
    for n in range(len(candidates[0][0])):
        best = max(key[n] for key, _, _ in candidates)
        candidates = [c for c in candidates if c[0][n] >= best - _TIE]
    _, perm, signs = candidates[0]
    return (perm[0], perm[1], perm[2]), (signs[0], signs[1], signs[2])


def _sign(axis: NDArray[np.float64], world: int) -> int:
    """Direction in which ``axis`` runs along ``world``, or along the first world axis it is not normal to."""
    for component in (axis[world], axis[2], axis[1], axis[0]):
        if abs(component) > _TIE:
            return 1 if component > 0 else -1
    return 1
