"""A parametric head without its brain: scalp, skull, face, orbits, sinuses, neck.

Patient coordinates in mm: x right, y anterior, z superior; the origin lies in the middle of the head near the
third ventricle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from SynthLogic.phantoms.brain_tissues import BrainLabel
from SynthLogic.phantoms.canvas import Canvas
from SynthLogic.phantoms.shapes import coarsely, ramp, rope, smooth_max, smooth_min


@dataclass(frozen=True)
class Head:
    """Everything drawn for one subject. Lengths in mm, angles in degrees, ``age`` in years.

    ``size`` scales all; ``width``, ``length``, ``height`` are relative; ``atrophy`` 0 to 1 widens sulci and
    ventricles; ``skull`` and ``scalp`` are thicknesses; ``gyrus`` the scale of the folds; ``sulcus`` their
    depth; ``cortex`` the thickness of the ribbon; ``folds`` seeds them.
    """

    age: float
    size: float
    width: float
    length: float
    height: float
    atrophy: float
    skull: float
    scalp: float
    gyrus: float
    sulcus: float
    cortex: float
    sinuses: float
    folds: int
    tilt: tuple[float, float, float]
    shift: tuple[float, float, float]


def draw_head(random: np.random.Generator) -> Head:
    """Draw a subject and its pose in the scanner."""
    age = float(random.uniform(20, 85))
    old = (age - 20) / 65
    return Head(
        age=age,
        size=float(np.clip(random.normal(1.0, 0.035), 0.9, 1.08)),
        width=float(random.normal(1.0, 0.03)),
        length=float(random.normal(1.0, 0.025)),
        height=float(random.normal(1.0, 0.025)),
        atrophy=float(np.clip(0.05 + 0.75 * old**1.5 + random.normal(0, 0.12), 0, 1)),
        skull=float(np.clip(random.normal(7.0, 0.9), 5, 10)),
        scalp=float(np.clip(random.normal(5.5, 1.2), 3.5, 9)),
        gyrus=float(random.normal(4.5, 0.2)),
        sulcus=float(random.normal(14, 1.0)),
        cortex=float(random.normal(2.8, 0.12) - 0.25 * old),
        sinuses=float(np.clip(random.normal(1, 0.15), 0.6, 1.3)),
        folds=int(random.integers(2**31)),
        tilt=(float(random.normal(0, 5)), float(random.normal(0, 2.5)), float(random.normal(0, 3))),
        shift=(float(random.normal(0, 3)), float(random.normal(0, 4)), float(random.normal(0, 5))),
    )


def ball(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, centre: tuple[float, ...], radii: tuple[float, ...]
) -> np.ndarray:
    """Signed distance to an ellipsoid, first order near the surface."""
    u, v, w = x - centre[0], y - centre[1], z - centre[2]
    a, b, c = radii
    size = np.sqrt((u / a) ** 2 + (v / b) ** 2 + (w / c) ** 2)
    slope = np.sqrt((u / a**2) ** 2 + (v / b**2) ** 2 + (w / c**2) ** 2)
    return np.asarray((size - 1) * size / np.maximum(slope, 1e-6))


def own(canvas: Canvas, body: Head) -> Canvas:
    """The canvas in coordinates of a head of mean proportions; both paint the same voxels."""
    scale = np.array([body.size * body.width, body.size * body.length, body.size * body.height])
    x, y, z = (axis / np.float32(s) for axis, s in zip((canvas.x, canvas.y, canvas.z), scale, strict=True))
    to_index = canvas.to_index @ np.diag([*scale, 1.0])
    edge, slack = canvas.edge / body.size, canvas.slack / 0.85
    return Canvas(x, y, z, to_index=to_index, edge=edge, slack=slack)


def cavity(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Signed distance to the inside of the skull: vault, three fossae."""
    narrow = x * (1 + 0.0011 * (y + 10))  # widest over the ears
    vault = ball(narrow, y, z, (0, -3, 9), (69, 86, 64))
    floor = ramp(y, [(10, -20), (35, -15), (75, -13)])
    vault = smooth_max(vault, floor - z + 0.05 * np.abs(x), 8)
    aside = np.abs(x)
    middle = ball(aside, y, z, (38, 6, -20), (27, 36, 24))
    rear = ball(x, y, z, (0, -48, -34), (53, 40, 33))
    stem = ball(x, y, z, (0, -22, -42), (20, 24, 34))
    return smooth_min(smooth_min(vault, middle, 8), smooth_min(rear, stem, 8), 8)


def _outside(body: Head, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, ...]:
    """Signed distances to cavity, skull, muscle and skin's underside."""
    inner = cavity(x, y, z)
    thick = body.skull * (1 + 0.25 * np.clip(-y / 80, 0, 1) - 0.35 * np.clip(1 - np.abs(z + 10) / 30, 0, 1))
    skull = inner - thick
    temple = 9 * np.clip(1 - np.abs(z + 12) / 38, 0, 1) * np.clip(1 - np.abs(y - 10) / 52, 0, 1)
    temple = temple * np.clip((np.abs(x) - 35) / 20, 0, 1)
    face = ball(x, y, z, (0, 34, -62), (60, 56, 72))
    neck = np.hypot(x / 1.0, (y + 24) / 1.08) - 56
    neck = smooth_max(neck, z + 52, 20)
    muscle = smooth_min(smooth_min(skull - temple, face, 16), neck, 18)
    nose = ball(x, y, z, (0, 90, -46), (13, 20, 24))
    ears = np.minimum(
        ball(np.abs(x), y, z, (78, -16, -22), (6, 13, 25)), ball(np.abs(x), y, z, (83, -24, -18), (4, 9, 20))
    )
    lids = ball(np.abs(x), y, z, (32, 70, -24), (15, 14.5, 13.5))
    pad = body.scalp * ramp(z, [(-70, 1.2), (-30, 1.0), (40, 0.9)])
    skin = smooth_min(muscle - pad, nose, 10)
    return inner, skull, muscle, smooth_min(np.minimum(skin, ears), lids, 4)


def paint_head(canvas: Canvas, body: Head) -> np.ndarray:
    """Paint all but the brain on a canvas of ``own``; returns the cavity's distance, (K, J, I)."""
    inner, skull, muscle, skin = coarsely(canvas, lambda *axes: _outside(body, *axes), None)
    canvas.paint(BrainLabel.SKIN, skin - 2.2)
    canvas.paint(BrainLabel.SCALP_FAT, skin)
    _paint_flesh(canvas, muscle, skull)
    thick = np.maximum(inner - skull, 3.0)
    vault = np.where(canvas.z < -44, np.maximum(skull, inner - 3.2), skull)  # the base is thin
    canvas.paint(BrainLabel.SKULL_CORTEX, vault)
    table = 0.26 * thick + 0.4
    middle = np.maximum(skull + table, table - inner)
    canvas.paint(BrainLabel.DIPLOE, np.where(canvas.z < -30, 1.0, middle))
    _paint_face(canvas, body, (inner > 2.0) & (skin < -2.5))
    canvas.paint(BrainLabel.DURA, inner - 0.7)
    canvas.paint(BrainLabel.CSF, inner)
    return np.asarray(inner)


def _paint_flesh(canvas: Canvas, muscle: np.ndarray, skull: np.ndarray) -> None:
    """Muscles of temple, cheek and neck."""
    x, y, z = np.abs(canvas.x), canvas.y, canvas.z
    temple = np.maximum(np.maximum(muscle, skull - 12), np.abs(z + 14) - 40)
    temple = np.maximum(np.maximum(temple, np.abs(y - 10) - 50), 30 - x)
    canvas.paint(BrainLabel.MUSCLE, temple)
    cheek = ball(x, y, z, (55, 22, -80), (9, 20, 30))
    wings = ball(x, y, z, (36, 18, -66), (10, 22, 22))
    nape = np.minimum(
        ball(x, y, z, (16, -74, -84), (14, 18, 42)), ball(x, y, z, (34, -62, -88), (14, 20, 40))
    )
    side = np.minimum(ball(x, y, z, (52, -24, -96), (10, 16, 40)), ball(x, y, z, (18, -8, -96), (14, 9, 34)))
    tongue = ball(x, y, z, (0, 48, -100), (26, 34, 22))
    for part in (cheek, wings, nape, side, tongue):
        canvas.paint(BrainLabel.MUSCLE, np.maximum(part, muscle + 2))


def _paint_face(canvas: Canvas, body: Head, free: np.ndarray) -> None:
    """Bones of the face, orbits with eyes, air in nose, sinuses, ear and throat, where it is ``free``."""
    x, y, z = np.abs(canvas.x), canvas.y, canvas.z
    k = body.sinuses

    def paint(label: BrainLabel, distance: np.ndarray) -> None:
        canvas.paint(label, distance, only=free)

    def bone(distance: np.ndarray, rind: float) -> None:
        paint(BrainLabel.SKULL_CORTEX, distance)
        paint(BrainLabel.DIPLOE, distance + rind)

    jaw = np.maximum(ball(x, y, z, (0, 52, -62), (36, 30, 32)), z + 26)
    centre = np.maximum(ball(x, y, z, (0, 46, -30), (24, 44, 20)), z + 14)
    bone(smooth_min(jaw, centre, 6), 2.0)
    for points in (
        [(60, -8, -34, 4.5), (67, 18, -36, 4), (60, 46, -40, 5), (44, 66, -46, 7), (34, 72, -54, 6)],
        [(52, 2, -44, 6), (53, 4, -62, 5.5), (52, 14, -96, 7), (46, 34, -114, 8), (28, 66, -122, 8)],
        [(44, 62, -8, 5), (51, 52, -20, 4.5), (48, 58, -42, 5)],
    ):
        for side in (1, -1):
            cloud = rope(np.array(points) * [side, 1, 1, 1])
            box = cloud.box(canvas, 4)
            distance = cloud.distance(canvas, box, 5)
            canvas.paint(BrainLabel.SKULL_CORTEX, distance, box, only=free[box])
            canvas.paint(BrainLabel.DIPLOE, distance + 2.0, box, only=free[box])
    teeth = np.maximum(np.abs(np.hypot(x * 1.1, y - 44) - 32) - 4, np.abs(z + 94) - 8)
    paint(BrainLabel.SKULL_CORTEX, np.maximum(teeth, 52 - y))
    _paint_spine(canvas)
    _paint_orbits(canvas, free)
    for centre_, radii in (
        ((24, 52, -60), (14 * k, 17 * k, 17 * k)),  # maxillary
        ((7.5, 50, -32), (5.5, 21, 10)),  # ethmoid
        ((8, 14, -32), (8.5 * k, 11 * k, 8.5 * k)),  # sphenoid
        ((10, 82, -6), (10 * k, 4.2 * k, 12 * k)),  # frontal
    ):
        room = ball(x, y, z, centre_, radii)
        paint(BrainLabel.SKULL_CORTEX, room - 2.6)
        paint(BrainLabel.MUCOSA, room - 0.9)
        paint(BrainLabel.SINUS, room)
    cells = np.abs(np.sin(0.9 * z) * np.sin(0.9 * y)) - 0.12  # walls between the ethmoid's cells
    paint(BrainLabel.MUCOSA, np.maximum(ball(x, y, z, (7.5, 50, -32), (5, 20, 9)), cells * 4))
    nose = np.maximum(ball(x, y, z, (0, 52, -56), (13, 36, 20)), np.abs(z + 58) - 17)
    paint(BrainLabel.MUCOSA, nose - 1.5)
    turbinates = (
        np.minimum(np.hypot((x - 7) / 1.0, (z + 66) / 1.6), np.hypot((x - 6.5) / 0.9, (z + 52) / 1.4)) - 3
    )
    paint(BrainLabel.SINUS, np.maximum(np.maximum(nose, 1.4 - x), 1.2 - turbinates))
    throat = np.maximum(np.hypot(x / 1.5, y - 12) - 8, z + 56)
    paint(BrainLabel.MUCOSA, throat - 1.6)
    paint(BrainLabel.SINUS, throat)
    mastoid = ball(x, y, z, (57, -27, -40), (10, 13, 17))
    bone(mastoid, 1.6)
    comb = np.sin(0.75 * x) * np.sin(0.7 * y) * np.sin(0.7 * z)
    paint(BrainLabel.SINUS, np.maximum(mastoid + 2.2, (0.05 - np.abs(comb)) * 12))
    canal = np.maximum(np.hypot(y + 8, z + 30) - 3.2, np.abs(x - 64) - 16)
    canvas.paint(BrainLabel.SINUS, canal, only=free)


def _paint_orbits(canvas: Canvas, free: np.ndarray) -> None:
    x, y, z = canvas.x, canvas.y, canvas.z
    for side in (1, -1):
        u = side * x
        # A cone from the rim back and inward to its tip.
        along = np.clip((78 - y) / 46, 0, 1)
        away = np.hypot(u - (32 - 18 * along), (z + 24) - 3 * along)
        orbit = np.maximum(np.maximum(away - (19.5 - 15 * along), 32 - y), y - 80)
        canvas.paint(BrainLabel.SKULL_CORTEX, np.maximum(orbit - 2.2, y - 74), only=free)
        canvas.paint(BrainLabel.ORBIT_FAT, orbit, only=free)
        # Four straight muscles along the cone, round the nerve.
        turn = np.arctan2(z + 24 - 3 * along, u - (32 - 18 * along))
        quarter = np.abs((turn / (np.pi / 2)) - np.round(turn / (np.pi / 2))) * (np.pi / 2)
        lane = np.hypot((away - (14.5 - 11.5 * along)) / 0.7, quarter * away / 1.6) - 2.3
        strap = np.maximum(np.maximum(lane, y - 70), 34 - y)
        canvas.paint(BrainLabel.MUSCLE, strap, only=free)
        nerve = np.maximum(away - 2.4, np.maximum(y - 60, 26 - y))
        canvas.paint(BrainLabel.OPTIC_NERVE, nerve, only=free)
        eye = (side * 32.0, 70.0, -24.0)
        globe = ball(x, y, z, eye, (12.4, 12.2, 12.2))
        canvas.paint(BrainLabel.DURA, globe - 0.8)
        canvas.paint(BrainLabel.EYE, globe)
        canvas.paint(BrainLabel.LENS, ball(x, y, z, (eye[0], 78.0, -24.0), (4.6, 2.2, 4.6)))


def _paint_spine(canvas: Canvas) -> None:
    """The two highest vertebrae, their canal with the cord, as far as the field reaches."""
    x, y, z = canvas.x, canvas.y, canvas.z
    ring = np.maximum(np.abs(np.hypot(x / 1.25, y + 30) - 17) - 4, np.abs(z + 82) - 7)
    tooth = np.maximum(np.hypot(x, y + 16) - 5.5, np.abs(z + 88) - 14)
    body = np.maximum(np.hypot(x / 1.3, y + 18) - 10, z + 102)
    for part in (ring, tooth, body):
        canvas.paint(BrainLabel.SKULL_CORTEX, part)
        canvas.paint(BrainLabel.DIPLOE, part + 1.8)
    canvas.paint(BrainLabel.CSF, np.maximum(np.hypot(x / 1.2, y + 34) - 8.5, z + 60))
