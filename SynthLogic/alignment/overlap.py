"""How well moved structures lie on fixed ones: a smooth mean Dice, for an optimiser."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from SynthLogic.alignment.structures import Structure
from SynthLogic.volume import Grid
from SynthLogic.volume.grid import FloatArray

# What one scan shows beyond the other's field of view counts for so much of a miss: with 1, a structure that
# is cut off would be stretched to fill the other; with 0, the best match might be where little is shared.
_UNSEEN = 0.1


class Overlap:
    """Mean soft Dice of structures, as a function of the affine.

    Of a structure with share f of each place in the fixed scan and m in the moving one, and the affine T,

        Dice = 2 sum f(x) m(T^-1 x) / (sum f(x) s(T^-1 x) + |det T| sum m(y) r(T y)),

    where m is low-passed, and s and r are 1 in the moving and the fixed scan's field of view and 0.1 outside.

    Args:
        fixed: the structures in the fixed scan.
        moving: the same structures, in the same order, in the moving scan.
        views: the grids of both whole scans, fixed and moving.
        sigma_mm: standard deviation of the low-pass (Gaussian); how far a structure feels its twin.
    """

    def __init__(
        self,
        fixed: Sequence[Structure],
        moving: Sequence[Structure],
        views: tuple[Grid, Grid],
        sigma_mm: float,
    ) -> None:
        self.fixed, self.moving, self.views, self.sigma_mm = fixed, moving, views, sigma_mm
        self.maps = [
            ndimage.gaussian_filter(m.share, [sigma_mm / s for s in m.grid.spacing[::-1]], mode="constant")
            for m in moving
        ]

    def __call__(self, affine: FloatArray) -> float:
        """Mean soft Dice, in [0, about 1], of the affine (4x4, moving to fixed, RAS mm to RAS mm)."""
        inverse = np.linalg.inv(affine)
        scale = abs(float(np.linalg.det(affine[:3, :3])))
        total = 0.0
        for f, m, soft in zip(self.fixed, self.moving, self.maps, strict=True):
            back = f.points @ inverse[:3, :3].T + inverse[:3, 3]
            there = m.points @ affine[:3, :3].T + affine[:3, 3]
            hit = ndimage.map_coordinates(soft, m.grid.to_ijk(back)[:, ::-1].T, order=1, mode="constant")
            seen_f = float(f.weights @ self._seen(self.views[1], back))
            seen_m = scale * float(m.weights @ self._seen(self.views[0], there))
            total += 2 * float(f.weights @ hit) / (seen_f + seen_m)
        return total / len(self.fixed)

    def _seen(self, view: Grid, points: FloatArray) -> FloatArray:
        """1 inside the field of view, 0.1 outside, a ramp as wide as the low-pass between."""
        ijk, size = view.to_ijk(points), np.asarray(view.shape[::-1])
        edge = np.minimum(ijk + 0.5, size - 0.5 - ijk) * np.asarray(view.spacing)
        return _UNSEEN + (1 - _UNSEEN) * (edge.min(axis=1) / self.sigma_mm + 0.5).clip(0, 1)
