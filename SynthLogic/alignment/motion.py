"""Rigid, similarity and affine maps of space: as numbers to be optimised, from points, and which are sane.

All maps are 4x4 float64, RAS mm to RAS mm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.linalg import expm, polar
from scipy.spatial.transform import Rotation

from SynthLogic.errors import InputError
from SynthLogic.volume.grid import FloatArray

Transform = Literal["rigid", "similarity", "affine"]
TRANSFORMS: tuple[Transform, ...] = ("rigid", "similarity", "affine")
_FREEDOMS: dict[Transform, int] = {"rigid": 6, "similarity": 7, "affine": 12}
# An infant's heart is half as long as an adult's; beyond that something is wrong with the numbers.
LEAST_STRETCH, MOST_STRETCH = 0.4, 2.5


@dataclass(frozen=True)
class Start:
    """A map that others are made from: x -> target + linear (x - centre).

    Attributes:
        linear: 3x3 with positive determinant.
        centre: (3,) a place in the moving scan, RAS mm.
        target: (3,) where it goes in the fixed one, RAS mm.
    """

    linear: FloatArray
    centre: FloatArray
    target: FloatArray

    def projected(self, kind: Transform) -> Start:
        """The nearest start that is rigid or a similarity; an affine stays as it is."""
        if kind == "affine":
            return self
        rotation, _ = polar(self.linear)
        scale = 1.0 if kind == "rigid" else float(np.cbrt(np.linalg.det(self.linear)))
        return Start(scale * rotation, self.centre, self.target)

    def matrix(self) -> FloatArray:
        """The map itself, 4x4."""
        return self.moved(np.zeros(6), 1.0)

    def moved(self, numbers: FloatArray, radius: float) -> FloatArray:
        """The map after a small change of the start.

        Args:
            numbers: all in mm at ``radius`` from the centre: shift (3), rotation vector (3), and of a
                similarity the logarithm of its scale (1), of an affine the logarithm of its symmetric
                stretch (6: RR, AA, SS, RA, RS, AS). So determinants never change their sign.
            radius: mm.

        Returns:
            4x4.
        """
        linear = Rotation.from_rotvec(numbers[3:6] / radius).as_matrix()
        if len(numbers) == 7:
            linear = linear * np.exp(numbers[6] / radius)
        elif len(numbers) == 12:
            linear = linear @ expm(_symmetric(numbers[6:] / radius))
        linear = linear @ self.linear
        result = np.eye(4)
        result[:3, :3] = linear
        result[:3, 3] = self.target + numbers[:3] - linear @ self.centre
        return result

    def from_matrix(self, matrix: FloatArray) -> Start:
        """The start at another map, round the same centre."""
        return Start(matrix[:3, :3].copy(), self.centre, matrix[:3, :3] @ self.centre + matrix[:3, 3])


def inverse_of(matrix: FloatArray) -> FloatArray:
    """The inverse of a 4x4 map."""
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def freedoms(kind: Transform) -> int:
    """How many numbers a map of this kind has."""
    return _FREEDOMS[kind]


def _symmetric(numbers: FloatArray) -> FloatArray:
    a, b, c, d, e, f = numbers
    return np.array([[a, d, e], [d, b, f], [e, f, c]])


def similarity_of_points(
    moving: FloatArray, fixed: FloatArray, *, mirrored: bool = False
) -> tuple[FloatArray, float]:
    """Least-squares similarity of points (Umeyama 1991, IEEE PAMI 13:376, without weights).

    Args:
        moving: (N, 3) in mm.
        fixed: (N, 3) in mm, where they should go.
        mirrored: look for the best map that mirrors, instead of the best one that does not.

    Returns:
        3x3 rotation times scale, and the root mean square of what is left, in mm.
    """
    x, y = moving - moving.mean(axis=0), fixed - fixed.mean(axis=0)
    u, spread, v = np.linalg.svd(y.T @ x)
    sign = np.sign(np.linalg.det(u) * np.linalg.det(v)) or 1.0
    last = np.array([1.0, 1.0, -sign if mirrored else sign])
    rotation = (u * last) @ v
    scale = max(float((spread * last).sum() / max((x**2).sum(), 1e-12)), 1e-6)
    left = y - scale * x @ rotation.T
    return scale * rotation, float(np.sqrt((left**2).sum(axis=1).mean()))


def affine_of_points(moving: FloatArray, fixed: FloatArray) -> FloatArray:
    """Least-squares linear part (3x3) of the affine between points (N, 3), which are not all in a plane."""
    x, y = moving - moving.mean(axis=0), fixed - fixed.mean(axis=0)
    return np.asarray(np.linalg.lstsq(x, y, rcond=None)[0].T)


def check_sane(affine: FloatArray, what: str) -> None:
    """Refuse a map that mirrors, or that shrinks or stretches beyond 0.4 to 2.5 in any direction.

    Args:
        affine: 4x4.
        what: what was matched, for the message: "labels" or "images".

    Raises:
        InputError: see above.
    """
    if np.linalg.det(affine[:3, :3]) <= 0:
        raise InputError(
            f"The {what} match only if one scan is mirrored; check left and right of both scans' geometry."
        )
    stretch = np.linalg.svd(affine[:3, :3], compute_uv=False)
    if stretch[-1] < LEAST_STRETCH or stretch[0] > MOST_STRETCH:
        worst = stretch[-1] if stretch[-1] < LEAST_STRETCH else stretch[0]
        raise InputError(
            f"The {what} match only if the moving scan is scaled by {worst:.2g} in some direction; check "
            "that both scans' spacings are in mm and that equal values name equal structures."
        )
