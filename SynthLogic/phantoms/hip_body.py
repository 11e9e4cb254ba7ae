"""Who a simulated hip belongs to, and the course of the body's surface.

Patient coordinates in mm: x right, y anterior, z superior; the origin lies midway between the centres of the
femoral heads. ``u`` is lateral: x on the right side, -x on the left. Landmarks follow the anterior pelvic
plane of a supine adult (Tylkowski 1982, Orthop Trans 6:80; Bell 1989, Hum Mov Sci 8:3): the hip's centre lies
22 percent of the width between the iliac spines behind them, 30 percent below, 14 percent medial.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from SynthLogic.phantoms.canvas import turn_about
from SynthLogic.phantoms.shapes import oval, ramp, smooth_max, smooth_min


@dataclass(frozen=True)
class Femur:
    """One side. Angles in degrees: ``flexion`` forward, ``abduction`` outward, ``rotation`` of the foot
    outward, ``neck`` between neck and shaft, ``version`` of the neck forward. ``head`` (radius) and ``joint``
    (space) in mm; ``osteoarthritis`` 0 (none) to 1; ``form`` seeds the side's own irregularity."""

    flexion: float
    abduction: float
    rotation: float
    neck: float
    version: float
    head: float
    joint: float
    osteoarthritis: float
    form: int

    def turn(self) -> np.ndarray:
        """Rotation (3, 3) of the femur about its head, in (u, y, z)."""
        flex, outward, foot = np.deg2rad([self.flexion, self.abduction, self.rotation])
        return turn_about(0, flex) @ turn_about(1, -outward) @ turn_about(2, -foot)


@dataclass(frozen=True)
class Hip:
    """Everything drawn for one subject. Lengths in mm, angles in degrees, ``age`` in years.

    ``size`` scales the skeleton; ``half_span`` is half the distance between the heads' centres; ``flare``
    widens the wings; ``arch`` widens the arch under the symphysis; ``bulk`` scales the muscles;
    ``infiltration`` is the share of fat in them; ``fat`` the mean thickness under the skin; ``belly`` how far
    the front stands out. ``right`` and ``left`` are the sides.
    """

    female: bool
    age: float
    size: float
    half_span: float
    flare: float
    arch: float
    bulk: float
    infiltration: float
    fat: float
    belly: float
    bladder: float
    tilt: tuple[float, float, float]
    shift: tuple[float, float, float]
    right: Femur
    left: Femur

    def side(self, side: int) -> Femur:
        """The femur of side 1 (right) or -1 (left)."""
        return self.right if side > 0 else self.left

    def centre(self, side: int) -> np.ndarray:
        """Centre (x, y, z) of the femoral head."""
        return np.array([side * self.half_span, 0.0, 0.0])


def draw_hip(random: np.random.Generator) -> Hip:
    """Draw a subject: sex, age, build, and a pose on the table that differs between the sides."""
    female = bool(random.random() < 0.5)
    age = float(random.uniform(25, 85))
    old = (age - 25) / 60
    size = float(np.clip(random.normal(0.95 if female else 1.03, 0.035), 0.86, 1.12))
    arthritic = random.random() < 0.1 + 0.4 * old
    worse = 1 if random.random() < 0.5 else -1
    grade = float(random.uniform(0.4, 1.0)) if arthritic else 0.0
    flexion, turnout = float(random.uniform(-2, 14)), float(random.normal(8, 8))

    def femur(side: int) -> Femur:
        ill = grade if side == worse else 0.4 * grade
        return Femur(
            flexion=flexion + float(random.normal(0, 3)),
            abduction=float(np.clip(random.normal(3, 3.5), -4, 11)),
            rotation=turnout + float(random.normal(0, 6)),
            neck=float(np.clip(random.normal(128, 4), 118, 138)),
            version=float(np.clip(random.normal(15 if female else 11, 5), 0, 28)),
            head=float(random.normal(22.6 if female else 24.2, 0.6)) * size,
            joint=float(np.clip(random.normal(4.0, 0.4), 3.0, 5.0)) * (1 - 0.6 * ill),
            osteoarthritis=ill,
            form=int(random.integers(2**31)),
        )

    fat = float(np.clip(random.gamma(6, 4.0 if female else 2.9), 7, 32))
    right, left = femur(1), femur(-1)
    return Hip(
        female=female,
        age=age,
        size=size,
        half_span=float(random.normal(91 if female else 88, 2.5)) * (0.4 + 0.6 * size),
        flare=float(random.normal(3 if female else 0, 3)),
        arch=float(random.normal(1.0 if female else 0.0, 0.25)),
        bulk=float(np.clip(random.normal(0.98 if female else 1.05, 0.05) - 0.09 * old, 0.84, 1.14)),
        infiltration=float(np.clip(0.03 + 0.16 * old * random.random() + 0.03 * random.random(), 0, 0.25)),
        fat=fat,
        belly=float(np.clip(random.normal(4 + 0.4 * fat, 6), -2, 30)),
        bladder=float(random.uniform(0.55, 1.15)),
        tilt=(
            float(random.normal(0, 4.0)),
            float(random.normal(0, 1.5)),
            float(random.normal(0, 1.5)),
        ),
        shift=(float(random.normal(0, 4)), float(random.normal(0, 4)), float(random.normal(0, 7))),
        right=right,
        left=left,
    )


def surfaces(body: Hip, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Signed distances (mm) to the deep fascia, which wraps the muscles, and to the skin's underside."""
    s, q = body.size, z / body.size
    front = s * ramp(q, [(-60, 58), (0, 66), (50, 72), (100, 77), (160, 80)])
    front = front + body.belly * ramp(q, [(0, 0), (70, 1)])
    back = -s * ramp(q, [(-90, 96), (-30, 114), (20, 117), (60, 111), (100, 100), (160, 86)])
    wide = ramp(q, [(-60, 150), (0, 155), (40, 152), (80, 152), (118, 151), (140, 140), (160, 130)]) * s
    wide = wide + (body.half_span - 88 * s) + body.flare * ramp(q, [(20, 0), (90, 1), (125, 1), (150, 0)])
    wide = wide * (1 + 0.3 * (body.bulk - 1) * ramp(q, [(0, 1), (60, 0)]))
    depth, middle = (front - back) / 2, (front + back) / 2
    floor = -72 * s - z
    trunk = smooth_max(oval(x, y - middle, wide, depth, 2.8), floor, 40)
    fat = body.fat * _thickness(body, x, y, q)
    trunk_skin = smooth_max(oval(x, y - middle, wide, depth, 2.8) - fat, floor - 6, 40)
    fascia, skin = trunk, trunk_skin
    for side in (1, -1):
        turn, centre = body.side(side).turn(), body.centre(side)
        axis = turn @ np.array([-7.0, 6.0, -120.0])
        start = turn @ np.array([40.0, -6.0, -30.0])
        down = (z - centre[2] - start[2] * s) / axis[2]
        u = side * x - side * centre[0] - s * start[0] - down * axis[0] + 41 * s
        v = y - centre[1] - s * start[1] - down * axis[1] + 12 * s
        a, b = 74 * s * body.bulk, 82 * s * body.bulk
        top = smooth_max(oval(u, v, a, b, 2.15), z - 10 * s, 20)
        fascia = smooth_min(fascia, top, 14)
        padding = fat * (0.85 + 0.15 * np.clip(u / (50 * s), -1, 1))
        padded = smooth_max(oval(u, v, a, b, 2.15) - padding, z - 10 * s, 20)
        skin = smooth_min(skin, padded, 12)
    cleft = np.clip(1 - np.abs(x) / 17, 0, 1) * ramp(q, [(-60, 1), (0, 1), (45, 0)]) * (y < -40 * s)
    skin = skin + 0.9 * min(body.fat, 22) * cleft
    table = -117 * s - 0.55 * body.fat
    skin = smooth_max(skin, table - y, 14)  # flattened by what the patient lies on
    return smooth_max(fascia, table + 6 - y, 10), skin


def _thickness(body: Hip, x: np.ndarray, y: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Fat under the skin relative to its mean: thick on buttocks and hips, thin at the sides of the waist."""
    behind = np.clip(-y / 100, 0, 1.1)
    ahead = np.clip(y / 80, 0, 1.2)
    aside = np.clip(np.abs(x) / 150, 0, 1) ** 2
    return (
        0.55
        + 0.75 * behind * ramp(q, [(-90, 0.6), (-20, 1), (60, 0.9), (140, 0.3)])
        + 0.55 * ahead * ramp(q, [(-60, 0.4), (20, 0.9), (80, 1.2)])
        + (0.55 if body.female else 0.25) * aside * ramp(q, [(-120, 0.8), (-30, 1), (90, 0.6)])
    )
