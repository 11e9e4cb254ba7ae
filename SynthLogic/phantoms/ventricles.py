"""Both ventricles of a heart at one moment, as smooth surfaces round the left ventricle's long axis.

The heart's own frame, in mm: u towards the septum, v towards the inferior wall, w from base to apex; the
origin is the middle of the mitral valve, w = 0 its plane. theta is the angle of (u, v), 0 at the septum.
A surface is a radius over theta and w, so that every section is one cavity inside one closed wall, with the
right ventricle on the wall.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Surfaces = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Ventricles:
    """One shape; lengths in mm, angles in radians.

    At rest (end diastole) the cavity has ``radius`` at the base and ``length``; ``taper`` (about 1) is how
    late it narrows; ``oval`` its ellipticity along ``oval_angle``; ``bend`` how far (u, v) the apex lies off
    the axis. The wall is ``wall`` thick, more by ``uneven`` (a share) towards ``thick_angle``, more by
    ``apical`` (a share) at the apex. The scar round ``scar_angle`` is ``scar_width`` to each side, between
    the shares ``scar_from`` and ``scar_to`` of the length, and leaves ``scar_wall`` mm of wall; 0 is no scar.

    The right ventricle is up to ``rv_depth`` deep and reaches ``rv_angle`` to each side of ``rv_centre``,
    more by ``rv_skew`` (a share) on one side; ``rv_twist`` turns it towards the apex; it ends at the share
    ``rv_reach`` of the length; ``rv_round`` from 0.5 (full) to 1 (pointed) is the form of its free wall, and
    ``rv_lean`` the share by which it is deeper on the inferior side (negative: anterior).

    The contraction: ``squeeze`` is the share of the radius, ``shortening`` of the length, ``rv_squeeze`` of
    the right ventricle's depth. The wall keeps its volume, scar does not move.
    """

    radius: float
    length: float
    taper: float
    oval: float
    oval_angle: float
    bend: tuple[float, float]
    wall: float
    uneven: float
    thick_angle: float
    apical: float
    scar_angle: float
    scar_width: float
    scar_from: float
    scar_to: float
    scar_wall: float
    rv_depth: float
    rv_angle: float
    rv_centre: float
    rv_skew: float
    rv_twist: float
    rv_reach: float
    rv_round: float
    rv_lean: float
    squeeze: float = 0.0
    shortening: float = 0.0
    rv_squeeze: float = 0.0

    @property
    def long(self) -> float:
        """Length of the cavity now, mm."""
        return self.length * (1 - self.shortening)

    @property
    def outer_long(self) -> float:
        """From the base to the outside of the apex, mm."""
        return self.long + 0.55 * self.wall * (1 + self.apical) * (1 + 0.5 * self.squeeze)

    def scar(self, theta: np.ndarray, share: np.ndarray) -> np.ndarray:
        """How much of the wall is scar, 0 to 1, at angle ``theta`` and ``share`` of the length."""
        if not self.scar_width:
            return np.zeros_like(theta * share)
        off = np.arccos(np.clip(np.cos(theta - self.scar_angle), -1, 1))
        around = _step((self.scar_width - off) / 0.35 + 0.5)
        along = _step((share - self.scar_from) / 0.15 + 0.5) * _step((self.scar_to - share) / 0.15 + 0.5)
        return np.asarray(around * along)

    def radii(self, theta: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Radius of cavity and of epicardium at the height ``w``, as if neither narrowed to the apex."""
        share = np.clip(w / self.long, 0, 1.2)
        rest = self.radius * (1 + self.oval * np.cos(2 * (theta - self.oval_angle)))
        wall = self.wall * (1 + self.uneven * np.cos(theta - self.thick_angle)) * (1 + self.apical * share)
        scar = self.scar(theta, share)
        wall = wall + scar * (self.scar_wall - wall)
        section = (wall * wall + 2 * wall * rest) / (1 - self.shortening)
        now = rest * (1 - self.squeeze * (1 - 0.95 * scar))
        return now, np.sqrt(now * now + section)

    def section(self, theta: np.ndarray, w: np.ndarray) -> Surfaces:
        """Radii (mm) of cavity, epicardium and the right ventricle's free wall; broadcast."""
        cavity, epi = self.radii(theta, w)
        inner = cavity * self._narrow(w / self.long)
        outer = epi * self._narrow(w / self.outer_long)
        return inner, outer, outer + self._rv(theta, w)

    def _narrow(self, share: np.ndarray) -> np.ndarray:
        return np.sqrt(np.clip(1 - np.clip(share, 0, None) ** (2 * self.taper), 0, 1))

    def _rv(self, theta: np.ndarray, w: np.ndarray) -> np.ndarray:
        """Depth of the right ventricle, from the epicardium outwards; negative where it is not."""
        end = self.rv_reach * self.long
        share = np.clip(w / end, 0, None)
        depth = self.rv_depth * (1 - self.rv_squeeze) * np.clip(1 - share**2.2, 0, 1) ** 0.65
        off = theta - self.rv_centre - self.rv_twist * share
        off = (off + np.pi) % (2 * np.pi) - np.pi
        reach = self.rv_angle * (1 - 0.3 * np.minimum(share, 1) ** 2) * (1 + self.rv_skew * np.sign(off))
        t = np.abs(off) / reach
        bump = np.clip(1 - t * t, 0, None) ** self.rv_round - 1.5 * np.clip(t - 1, 0, None)
        depth = depth * (1 + self.rv_lean * off / reach)
        return np.asarray(depth * bump - 20 * np.clip(share - 1, 0, None))

    def distances(self, u: np.ndarray, v: np.ndarray, w: np.ndarray, pixel: float) -> Surfaces:
        """Signed distances (mm, negative inside), first order, to cavity, epicardium and right ventricle.

        ``u``, ``v``, ``w`` are (K, J, I); ``pixel`` is the in-plane spacing in mm. None ends at the valves.
        """
        share = np.clip(w / self.long, 0, 1) ** 2
        u, v = u - self.bend[0] * share, v - self.bend[1] * share
        theta, r = np.arctan2(v, u), np.hypot(u, v)
        cavity, epi = self.radii(theta, w)
        inner = self._bullet(r, w, cavity, self.long)
        outer = self._bullet(r, w, epi, self.outer_long)
        free = r - epi * self._narrow(w / self.outer_long) - self._rv(theta, w)
        steep = np.hypot(np.gradient(free, axis=1), np.gradient(free, axis=2)) / pixel
        free /= np.clip(steep, 1, 4)
        # A rounded corner where the free wall meets the septum: a reader does not draw a needle.
        rv = np.logaddexp(free / 1.5, -outer / 1.5) * 1.5
        return inner, outer, rv

    def _bullet(self, r: np.ndarray, w: np.ndarray, radius: np.ndarray, length: float) -> np.ndarray:
        along = np.clip(w / length, 0, None)
        power = along ** (2 * self.taper - 1)
        size = np.sqrt((r / radius) ** 2 + power * along)
        slope = np.hypot(r / radius**2, self.taper * power / length)
        return np.asarray((size - 1) * size / np.maximum(slope, 1e-6))

    def volumes(self) -> tuple[float, float, float]:
        """Cavity, myocardium and right ventricle below the valve plane, in ml."""
        theta = np.linspace(-np.pi, np.pi, 96, endpoint=False)[None, :]
        w = ((np.arange(80) + 0.5) / 80 * self.outer_long)[:, None]
        inner, outer, free = self.section(theta, w)
        element = (2 * np.pi / 96) * (self.outer_long / 80) / 2000
        return (
            float((inner**2).sum() * element),
            float((outer**2 - inner**2).sum() * element),
            float((np.maximum(free, outer) ** 2 - outer**2).sum() * element),
        )


def _step(t: np.ndarray) -> np.ndarray:
    t = np.clip(t, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))
