"""A beating heart with its great vessels: sizes, cardiac phase, pathology, and how it is painted.

Normal sizes follow cardiac MR reference values (Kawel-Boehm 2020, J Cardiovasc Magn Reson 22:87): LV
end-diastolic volume about 70 to 200 ml, ejection fraction 0.5 to 0.7, septal wall 6 to 12 mm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from SynthLogic.phantoms.canvas import Canvas, smooth_path
from SynthLogic.phantoms.tissues import Label

PATHOLOGIES = ("normal", "dilated", "hypertrophic", "infarct", "effusion", "aneurysm")


@dataclass(frozen=True)
class Heart:
    """Shape at one moment. Lengths in mm; ``axis`` points from base to apex in patient space (x right)."""

    centre: tuple[float, float, float]
    axis: tuple[float, float, float]
    radius: float
    length: float
    wall: float
    contraction: float
    rv: float
    atria: float
    aorta: float
    pulmonary: float
    infarct_angle: float
    fluid: float
    pathology: str
    phase: float


def contraction_at(phase: float) -> float:
    """Share of the full contraction, 0 at end diastole (phase 0) and 1 at end systole (phase 0.35)."""
    phase %= 1.0
    t = phase / 0.35 if phase < 0.35 else 1 - min(1.0, (phase - 0.35) / 0.4)
    return float(0.5 - 0.5 * np.cos(np.pi * np.clip(t, 0, 1)))


def draw_heart(random: np.random.Generator, pathology: str, phase: float, size: float, floor: float) -> Heart:
    """Draw a heart of a body ``size`` (1 = average) with a ``pathology`` at cardiac ``phase`` (0 to 1).

    ``floor`` is the height (mm) of the diaphragm it rests on.
    """
    c = contraction_at(phase)
    radius, length = random.normal(25, 1.8) * size, random.normal(84, 4) * size
    wall, squeeze = random.normal(9, 0.9), random.uniform(0.26, 0.34)
    aorta = random.normal(15, 1.0) * size
    if pathology == "dilated":
        radius, length, squeeze, wall = radius * 1.3, length * 1.08, 0.11, wall * 0.9
    elif pathology == "hypertrophic":
        wall, radius, squeeze = wall * 1.7, radius * 0.86, 0.34
    elif pathology == "infarct":
        squeeze *= 0.65
    elif pathology == "aneurysm":
        aorta *= 1.5
    thicker = wall * (radius + wall / 2)  # the wall's cross-section stays the same while it contracts
    radius_now = radius * (1 - squeeze * c)
    wall_now = float(-radius_now + np.sqrt(radius_now**2 + 2 * thicker))
    axis = np.array([-0.62, 0.52, -0.58]) + random.normal(0, 0.07, 3)
    axis /= np.linalg.norm(axis)
    centre = np.array([-24, 14, floor + 22]) + random.normal(0, 2.5, 3)
    return Heart(
        centre=(float(centre[0]), float(centre[1]), float(centre[2])),
        axis=(float(axis[0]), float(axis[1]), float(axis[2])),
        radius=float(radius_now),
        length=float(length * (1 - 0.14 * c * squeeze / 0.3)),
        wall=wall_now,
        contraction=float(squeeze * c),
        rv=float(random.normal(1.0, 0.06) * size * (1 - 0.2 * c)),
        atria=float(random.normal(1.0, 0.07) * size * (0.9 + 0.16 * c)),
        aorta=float(aorta),
        pulmonary=float(random.normal(13.5, 1.0) * size),
        infarct_angle=float(random.uniform(0, 2 * np.pi)),
        fluid=float(random.uniform(7, 14)) if pathology == "effusion" else 0.0,
        pathology=pathology,
        phase=float(phase),
    )


def frame_of(heart: Heart) -> np.ndarray:
    """Rows: towards the septum (the RV side), third direction, base to apex."""
    axis = np.array(heart.axis)
    towards_rv = np.array([0.75, 0.6, -0.1])
    septal = towards_rv - (towards_rv @ axis) * axis
    septal /= np.linalg.norm(septal)
    return np.stack([septal, np.cross(axis, septal), axis])


def paint_heart(canvas: Canvas, heart: Heart) -> None:
    """Paint pericardium, the four chambers, LV myocardium, aorta, pulmonary artery and caval veins."""
    frame = frame_of(heart)
    base = np.array(heart.centre) - 0.35 * heart.length * frame[2]

    def place(septal: float, third: float, along: float) -> np.ndarray:
        return base + septal * frame[0] + third * frame[1] + along * frame[2]

    reach = heart.length + 45
    box = canvas.box(base - reach, base + reach)
    u, v, w = canvas.local(base, frame, box)
    r = np.sqrt(u * u + v * v)

    def bullet(radius: float, length: float) -> np.ndarray:
        """Half ellipsoid from the base plane to the apex, with a short cylinder above it."""
        along = np.maximum(w, 0)
        size = np.sqrt((r / radius) ** 2 + (along / length) ** 2)
        slope = np.sqrt((r / radius**2) ** 2 + (along / length**2) ** 2)
        return np.maximum((size - 1) * size / np.maximum(slope, 1e-6), -w - 4)

    outer, long = heart.radius + heart.wall, heart.length + 0.6 * heart.wall
    fat = 5.0
    rv_centre, rv_radii = (
        place(0.82 * outer, -2, 0.30 * long),
        (0.80 * outer * heart.rv, 33 * heart.rv, 0.66 * long),
    )
    ra_centre, ra_radii = (
        place(1.15 * outer, -16, -20),
        (25 * heart.atria, 27 * heart.atria, 27 * heart.atria),
    )
    la_centre, la_radii = (
        place(-4, -10, -24 * heart.atria),
        (31 * heart.atria, 23 * heart.atria, 21 * heart.atria),
    )

    def chamber(centre: np.ndarray, radii: tuple[float, float, float], grow: float) -> np.ndarray:
        return canvas.ellipsoid_distance(centre, [q + grow for q in radii], frame, box)

    rv, ra, la = (
        chamber(c, q, 0) for c, q in ((rv_centre, rv_radii), (ra_centre, ra_radii), (la_centre, la_radii))
    )
    rv = np.maximum(rv, -w + 1)
    epicardium = bullet(outer, long)
    whole = np.minimum(np.minimum(rv - 3.5, ra - 2.5), np.minimum(la - 2.5, epicardium))
    if heart.fluid:
        canvas.paint(
            Label.PERICARDIAL_FLUID, whole - fat - heart.fluid * np.clip(0.4 - v / 60, 0.2, 1.3), box
        )
    canvas.paint(Label.MEDIASTINAL_FAT, whole - fat * np.clip(1 + w / 90, 0.4, 1.6), box)

    paint_veins(canvas, la_centre, ra_centre)
    for distance, wall, blood in (
        (ra, 2.0, Label.RA_CAVITY),
        (rv, 3.2, Label.RV_CAVITY),
        (la, 2.0, Label.LA_CAVITY),
    ):
        canvas.paint(Label.HEART_WALL, distance - wall, box)
        canvas.paint(blood, distance, box)

    canvas.paint(Label.LV_MYOCARDIUM, epicardium, box)
    cavity = bullet(heart.radius, heart.length)
    angle = np.arctan2(v, u) - heart.infarct_angle
    trabecula = 1.2 * np.cos(5 * angle) * np.clip(w / 30, 0, 1) * (r > 0.5 * heart.radius)
    if heart.pathology == "infarct":
        sector = (np.cos(angle) > 0.55) & (w > 0.3 * heart.length)
        canvas.paint(Label.INFARCT, epicardium + 2, box, only=sector)
        cavity = cavity - 0.3 * heart.wall * np.clip((np.cos(angle) - 0.4) * 3, 0, 1) * (
            w > 0.2 * heart.length
        )
    canvas.paint(Label.LV_CAVITY, cavity + trabecula, box)
    for side in (-1, 1):  # papillary muscles
        root = place(
            side * 0.45 * heart.radius - 0.2 * heart.radius, -0.5 * heart.radius, 0.62 * heart.length
        )
        tip = place(side * 0.35 * heart.radius, -0.3 * heart.radius, 0.32 * heart.length)
        canvas.tube(Label.LV_MYOCARDIUM, np.stack([root, tip]), [3.4, 2.6])
    paint_arteries(canvas, heart, place)


def paint_veins(canvas: Canvas, la: np.ndarray, ra: np.ndarray) -> None:
    """Pulmonary and caval veins, before the chambers they open into."""
    for side in (-1, 1):
        for up in (-1, 1):
            path = smooth_path([la, la + [side * 24, -6, up * 7], la + [side * 46, -10, up * 15]])
            canvas.tube(Label.PULMONARY_VEIN, path, np.linspace(7.5, 4.5, len(path)))
    upper = smooth_path([ra + [0, -4, 12], ra + [3, -6, 45], ra + [1, -3, 80], ra + [0, 0, 140]])
    lower = smooth_path([ra + [0, -4, -14], ra + [3, -18, -42], ra + [3, -24, -75], ra + [0, -26, -140]])
    for path, radius in ((upper, 9.5), (lower, 11.5)):
        canvas.tube(Label.VESSEL_WALL, path, radius, grow=1.2)
        canvas.tube(Label.VENA_CAVA, path, radius)


def paint_arteries(canvas: Canvas, heart: Heart, place: Callable[[float, float, float], np.ndarray]) -> None:
    """Aorta with its arch and branches, pulmonary artery; all walls before all blood."""
    root = place(0.45 * heart.radius, -4, -2)
    ascending = smooth_path([root, root + [7, 3, 22], root + [11, 2, 46], root + [6, -8, 68]])
    arch_end = np.array([-20.0, -46.0, root[2] + 62])
    arch = smooth_path([ascending[-1], root + [-8, -22, 80], arch_end + [2, 8, 6], arch_end + [-2, -5, -18]])
    descending = smooth_path(
        [arch[-1], [-21, -52, root[2] + 10], [-17, -50, root[2] - 60], [-8, -44, root[2] - 170]]
    )
    outflow = place(1.02 * heart.radius + 8, 22, 4)
    fork = np.array([root[0] - 16, root[1] - 8, root[2] + 36])
    trunk = smooth_path([outflow, outflow * 0.45 + fork * 0.55 + [0, 9, 0], fork])
    right = smooth_path([fork, [root[0] + 8, root[1] - 16, fork[2] - 1], [42, root[1] - 30, fork[2] - 8]])
    left = smooth_path([fork, fork + [-16, -14, 2], [-58, root[1] - 40, fork[2] - 6]])
    aorta = heart.aorta
    branches = [
        (0.2, [10, 4, 34], [22, 10, 80]),
        (0.45, [-4, 2, 34], [-8, 6, 80]),
        (0.75, [-8, -2, 34], [-20, 2, 80]),
    ]
    vessels: list[tuple[Label, np.ndarray, np.ndarray]] = [
        (Label.PULMONARY_ARTERY, trunk, np.linspace(heart.pulmonary, heart.pulmonary * 0.95, len(trunk))),
        (
            Label.PULMONARY_ARTERY,
            right,
            np.linspace(heart.pulmonary * 0.8, heart.pulmonary * 0.55, len(right)),
        ),
        (Label.PULMONARY_ARTERY, left, np.linspace(heart.pulmonary * 0.8, heart.pulmonary * 0.55, len(left))),
        (Label.AORTA, arch, np.linspace(aorta * 0.95, 12.0, len(arch))),
        (Label.AORTA, descending, np.linspace(12.0, 10.5, len(descending))),
        (Label.ASCENDING_AORTA, ascending, np.linspace(aorta * 1.05, aorta * 0.95, len(ascending))),
    ]
    for share, bend, end in branches:  # brachiocephalic, left carotid, left subclavian
        start = arch[int(share * (len(arch) - 1))]
        path = smooth_path([start, start + bend, start + end])
        vessels.append((Label.AORTA, path, np.full(len(path), 4.8)))
    for _, path, radii in vessels:
        canvas.tube(Label.VESSEL_WALL, path, radii, grow=1.4)
    for label, path, radii in vessels:
        canvas.tube(label, path, radii)
