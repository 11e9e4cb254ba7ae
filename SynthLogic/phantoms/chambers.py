"""Painting the heart of a short-axis patient: smooth ventricles, and within them what labels leave out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from SynthLogic.phantoms.canvas import Box, Canvas, smooth_path
from SynthLogic.phantoms.heart import Heart, frame_of, paint_arteries, paint_veins
from SynthLogic.phantoms.tissues import Label
from SynthLogic.phantoms.ventricles import Surfaces, Ventricles


@dataclass(frozen=True)
class Muscle:
    """Papillary muscles and trabeculae of one patient: drawn once, seen in every phase.

    ``papillary`` holds for each muscle its angle, its foot and tip (shares of the length) and its radius in
    mm; ``ridges`` angular frequency, waves per 100 mm, two phases and height in mm; ``bands`` for each that
    crosses the right ventricle its angle, share of the length and radius in mm.
    """

    papillary: tuple[tuple[float, ...], ...]
    ridges: tuple[tuple[float, ...], ...]
    bands: tuple[tuple[float, ...], ...]

    @classmethod
    def draw(cls, random: np.random.Generator) -> Muscle:
        """Draw an anterolateral and a posteromedial muscle, some of them split, ridges and bands."""
        draw = random.uniform
        papillary = []
        for angle in (-2.15 + random.normal(0, 0.2), 1.95 + random.normal(0, 0.2)):
            heads = int(random.integers(1, 3))
            for head in range(heads):
                off = (head - (heads - 1) / 2) * draw(0.25, 0.4)
                papillary.append(
                    (angle + off, draw(0.62, 0.8), draw(0.22, 0.36), draw(3.4, 5.6) / heads**0.4)
                )
        height = draw(0.8, 1.8)
        ridges = [
            (float(random.integers(5, 15)), draw(-2.5, 2.5), draw(0, 2 * np.pi), draw(0, 2 * np.pi), height)
            for _ in range(5)
        ]
        bands = [
            (draw(-1.0, 1.0), draw(0.25, 0.85), draw(0.8, 2.0)) for _ in range(int(random.integers(4, 14)))
        ]
        return cls(tuple(papillary), tuple(ridges), tuple(bands))


@dataclass(frozen=True)
class Moment:
    """A heart at one moment: place and vessels, ventricles, ``base`` (middle of the mitral valve, mm)."""

    heart: Heart
    ventricles: Ventricles
    base: np.ndarray

    @property
    def frame(self) -> np.ndarray:
        """Rows: towards the septum, towards the inferior wall, base to apex."""
        return frame_of(self.heart)

    def place(self, septal: float, inferior: float, along: float) -> np.ndarray:
        """Patient coordinates (3,) in mm of a point of the heart's own frame."""
        return np.asarray(self.base + np.array([septal, inferior, along]) @ self.frame)

    def at(self, theta: float, share: float, depth: float) -> np.ndarray:
        """Patient point at ``theta``, ``share`` of the length, ``depth`` of the way from axis to cavity wall,
        from there (1) to epicardium (2) and on to the right ventricle's free wall (3)."""
        v = self.ventricles
        w = np.array([[share * v.long]])
        inner, outer, free = (float(a[0, 0]) for a in v.section(np.array([[theta]]), w))
        r = float(np.interp(depth, [0, 1, 2, 3], [0, inner, outer, max(free, outer)]))
        off = np.array(v.bend) * min(max(share, 0), 1) ** 2
        return self.place(r * np.cos(theta) + off[0], r * np.sin(theta) + off[1], share * v.long)


def heart_box(canvas: Canvas, moment: Moment) -> Box:
    """Index box that holds both ventricles, with some millimetres around."""
    v = moment.ventricles
    left = v.radius + v.wall * (1 + v.uneven) + 12
    right = v.radius + v.wall + v.rv_depth + 14
    side = max(left, 52.0) + 4
    corners = [
        moment.place(a, b, c)
        for a in (-left, right)
        for b in (-side, side)
        for c in (-48, v.outer_long + 14)
    ]  # fmt: skip
    return canvas.box_round(np.array(corners))


def surfaces(canvas: Canvas, moment: Moment, box: Box) -> tuple[Surfaces, Surfaces]:
    """Distances (mm) to cavity, epicardium and right ventricle in ``box``, and the coordinates (u, v, w)."""
    local = canvas.local(moment.base, moment.frame, box)
    return moment.ventricles.distances(*local, canvas.edge), local


def paint_moment(
    canvas: Canvas, moment: Moment, muscle: Muscle, box: Box, known: Surfaces, local: Surfaces
) -> None:
    """Paint fat, chambers, muscle, scar and vessels over a trunk; ``known``, ``local`` as of ``surfaces``."""
    v, heart, frame = moment.ventricles, moment.heart, moment.frame
    inner, outer, free = known
    x, y, w = local
    rv = np.maximum(free, -w - 5)
    epicardium = np.maximum(outer, -w - 4)
    wide = v.radius + v.wall
    ra_centre, ra_size = moment.place(1.05 * wide, 10, -24), 30 * heart.atria
    la_centre = moment.place(-4, 6, -25 * heart.atria)
    ra = canvas.ellipsoid_distance(ra_centre, [ra_size, 1.1 * ra_size, ra_size], frame, box)
    la_size = [31 * heart.atria, 25 * heart.atria, 21 * heart.atria]
    la = canvas.ellipsoid_distance(la_centre, la_size, frame, box)

    whole = np.minimum(np.minimum(rv - 3.5, ra - 2.5), np.minimum(la - 2.5, epicardium))
    # Fat lies in the grooves and over the right ventricle, hardly on the left ventricle's side.
    fat = 4.5 * np.clip(1 + w / 150, 0.5, 1.4) * np.clip(0.5 + x / 60, 0.2, 1.3)
    canvas.paint(Label.MEDIASTINAL_FAT, whole - fat, box)
    paint_veins(canvas, la_centre, ra_centre)
    for distance, wall, blood in (
        (ra, 2.0, Label.RA_CAVITY),
        (rv, 2.6, Label.RV_CAVITY),
        (la, 2.0, Label.LA_CAVITY),
    ):
        canvas.paint(Label.HEART_WALL, distance - wall, box)
        canvas.paint(blood, distance, box)
    for angle, height, radius in muscle.bands:
        ends = np.stack([moment.at(angle, height, 2), moment.at(0.8 * angle + 0.1, height + 0.06, 3)])
        if np.linalg.norm(ends[1] - ends[0]) > 6:
            canvas.tube(Label.HEART_WALL, ends, [radius, 0.7 * radius])

    canvas.paint(Label.LV_MYOCARDIUM, epicardium, box)
    theta, share = np.arctan2(y, x), np.clip(w / v.long, 0, 1)
    if v.scar_width:
        canvas.paint(Label.INFARCT, outer + 0.6, box, only=v.scar(theta, share) > 0.5)
    rough = inner.copy()
    near = inner < canvas.edge
    rough[near] += _ridges(muscle, theta[near], w[near], share[near])
    canvas.paint(Label.LV_CAVITY, np.maximum(rough, -w - 4), box)
    for angle, foot, tip, radius in muscle.papillary:
        now = radius * (1 + 0.5 * v.squeeze)
        along = ((foot + 0.08, 1.0), (foot - 0.08, 0.82), (tip, 0.6))
        path = smooth_path([moment.at(angle, at, depth) for at, depth in along])
        canvas.tube(Label.LV_MYOCARDIUM, path, np.linspace(now, 0.7 * now, len(path)))
    # The great arteries begin behind the valves; the right ventricle's outflow leaves anteriorly.
    paint_arteries(canvas, heart, lambda septal, third, along: moment.place(septal, -third, along - 15))


def _ridges(muscle: Muscle, theta: np.ndarray, w: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Height (mm) of the trabeculae, 0 or more: taller towards the apex and away from the septum."""
    total = np.zeros_like(theta)
    for turns, waves, first, second, height in muscle.ridges:
        total += height * np.cos(turns * theta + 2 * np.pi * waves * w / 100 + first) * np.cos(w / 9 + second)
    return np.asarray(np.clip(total, 0, 4) * (0.4 + 0.8 * share) * (0.75 - 0.35 * np.cos(theta)))
