"""A parametric thorax, arms out of the field of view: body wall, rib cage, lungs, upper abdomen, heart.

Patient coordinates in mm: x right, y anterior, z superior; the origin lies in the middle of the chest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from SynthLogic.phantoms.canvas import Canvas, smooth_path
from SynthLogic.phantoms.heart import PATHOLOGIES, Heart, draw_heart, paint_heart
from SynthLogic.phantoms.shapes import oval
from SynthLogic.phantoms.tissues import Label


@dataclass(frozen=True)
class Thorax:
    """Everything drawn for one subject. Lengths in mm, angles in degrees."""

    size: float
    half_width: float
    half_depth: float
    fat: float
    muscle: float
    breast: float
    diaphragm: float
    rib_pitch: float
    rib_slope: float
    kyphosis: float
    scoliosis: float
    pleural_fluid: float
    nodules: int
    tilt: tuple[float, float, float]
    shift: tuple[float, float, float]
    heart: Heart


def draw_thorax(
    random: np.random.Generator, pathology: str | None = None, phase: float | None = None
) -> Thorax:
    """Draw a subject; ``pathology`` (one of ``PATHOLOGIES``) and ``phase`` (0 to 1) are drawn when None."""
    female = random.random() < 0.5
    size = float(np.clip(random.normal(0.95 if female else 1.03, 0.04), 0.85, 1.13))
    drawn = PATHOLOGIES[int(random.choice(len(PATHOLOGIES), p=[0.4, 0.12, 0.12, 0.14, 0.11, 0.11]))]
    drawn_phase = float(random.random())
    pathology, phase = pathology or drawn, drawn_phase if phase is None else phase
    fat = float(np.clip(random.gamma(4, 3.0 if female else 2.4), 4, 24))
    diaphragm = float(random.normal(-56, 8))
    return Thorax(
        size=size,
        half_width=float(random.normal(128, 4) * size),
        half_depth=float(random.normal(84, 4) * size),
        fat=fat,
        muscle=float(random.normal(9.5 if female else 12.5, 1.5)),
        breast=float(random.uniform(22, 38)) if female else 0.0,
        diaphragm=diaphragm,
        rib_pitch=float(random.normal(25, 1.2) * size),
        rib_slope=float(random.normal(46, 6)),
        kyphosis=float(random.normal(9, 3)),
        scoliosis=float(random.normal(0, 2.5)),
        pleural_fluid=float(random.uniform(20, 55)) if random.random() < 0.12 else 0.0,
        nodules=int(random.integers(1, 4)) if random.random() < 0.25 else 0,
        tilt=tuple(float(a) for a in random.normal(0, 2.0, 3)),  # type: ignore[arg-type]
        shift=tuple(float(a) for a in random.normal(0, (6, 5, 9))),  # type: ignore[arg-type]
        heart=draw_heart(random, pathology, phase, size, diaphragm),
    )


def paint_thorax(canvas: Canvas, body: Thorax, random: np.random.Generator) -> None:
    """Paint the whole subject, from the skin inwards."""
    paint_trunk(canvas, body, random)
    paint_heart(canvas, body.heart)
    paint_airways(canvas, body)


def paint_trunk(canvas: Canvas, body: Thorax, random: np.random.Generator) -> None:
    """Paint all that does not move with the heart and lies under it, from the skin inwards."""
    x, y, z = canvas.x, canvas.y, canvas.z
    s = body.size
    # The cage narrows towards the lung apices; the body wall does not, muscle fills the shoulders.
    up = np.clip((z - 25 * s) / (118 * s), 0, 0.97)
    narrow = np.sqrt(1 - up * up)
    a, b = (body.half_width - 6) * (0.30 + 0.70 * narrow), (body.half_depth - 4) * (0.42 + 0.58 * narrow)
    spine_x = body.scoliosis * np.sin(z / 70)
    back = body.kyphosis * (1 - (z / 110) ** 2)
    cage = oval(x - 0.4 * spine_x, y - 4 + 0.5 * back, a, b, 2.35)
    wall_a, wall_b = body.half_width + body.muscle, body.half_depth + 0.7 * body.muscle + 5
    # Superior to the armpit the shoulder muscles widen the body.
    shoulder = 16 * np.clip((z - 55 * s) / (60 * s), 0, 1) ** 2
    muscle = oval(x, y - 1, wall_a + shoulder, wall_b, 2.5)
    fat_here = body.fat * (1.15 + 0.35 * np.clip(-y / 80, -1, 1) + 0.25 * np.clip(-z / 100, -1, 1))
    skin = muscle - fat_here
    if body.breast:
        for side in (-1, 1):
            centre = (side * 62 * s, wall_b + 0.15 * body.breast, 5 * s)
            dome = canvas.ellipsoid_distance(centre, (52 * s, body.breast, 50 * s), None)
            skin = np.minimum(skin, dome)
    canvas.paint(Label.SKIN, skin - 2.0)
    canvas.paint(Label.SUBCUTANEOUS_FAT, skin)
    if body.breast:
        for side in (-1, 1):
            centre = (side * 64 * s, wall_b + 0.2 * body.breast, 2 * s)
            canvas.ellipsoid(Label.GLAND, centre, (24 * s, 0.55 * body.breast, 24 * s))
    canvas.paint(Label.MUSCLE, muscle)
    _paint_fat_planes(canvas, body, cage, muscle)
    _paint_cage(canvas, body, cage, a, b)
    lungs = _paint_inside(canvas, body, cage, random)
    _paint_spine(canvas, body)
    _paint_shoulder_bones(canvas, body)
    _paint_lung_vessels(canvas, body, lungs, random)


def _paint_fat_planes(canvas: Canvas, body: Thorax, cage: np.ndarray, muscle: np.ndarray) -> None:
    """Axillary fat and the thin fat planes between the muscle layers."""
    layer = np.abs(cage - 0.45 * (cage - muscle) - 5) - 1.0
    near = (cage > 8) & (muscle < -3) & (np.abs(canvas.x) > 40)
    canvas.paint(Label.SUBCUTANEOUS_FAT, layer, only=near)
    for side in (-1, 1):
        centre = (side * 0.92 * body.half_width, 6, 100 * body.size)
        radii = (20, 30, 42)
        box = canvas.box(np.subtract(centre, radii), np.add(centre, radii))
        pad = canvas.ellipsoid_distance(centre, radii, None, box)
        canvas.paint(Label.SUBCUTANEOUS_FAT, pad, box, only=(cage[box] > 6) & (muscle[box] < -5))


def _paint_cage(canvas: Canvas, body: Thorax, cage: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    """Intercostal muscle, ribs with marrow, costal cartilage, sternum."""
    x, y, z = canvas.x, canvas.y, canvas.z
    canvas.paint(Label.MUSCLE, cage - 5)
    # Ribs all at once: they fall from the spine (angle 0) to the sternum (angle 1), one every pitch.
    turn = np.arccos(np.clip((y - 4) / np.maximum(np.hypot((x * b / a), y - 4), 1e-3), -1, 1)) / np.pi
    forward = 1 - turn
    fall = (
        body.rib_slope * np.sin(np.clip(forward, 0, 0.8) / 0.8 * np.pi / 2)
        - 30 * np.clip(forward - 0.78, 0, 1) * 3
    )
    phase = (z + fall) / body.rib_pitch
    along = (phase - np.round(phase)) * body.rib_pitch
    tube = np.hypot((cage - 0.5) / 3.6, along / 6.2)
    rib = (tube - 1) * 4.2
    shell = np.abs(cage) < 12
    bony = shell & (forward < 0.78) & (forward > 0.06)
    canvas.paint(Label.CORTICAL_BONE, rib, only=bony)
    canvas.paint(Label.BONE_MARROW, rib + 1.7, only=bony)
    canvas.paint(
        Label.CARTILAGE, rib + 0.4, only=shell & (forward >= 0.78) & (np.abs(x) > 12) & (z < 70 * body.size)
    )
    sternum = np.maximum(
        np.maximum(np.abs(x) - (17 - 0.05 * (z - 20)), np.abs(cage - 2) - 5.0), np.abs(z - 18) - 72
    )
    front = y > 10
    canvas.paint(Label.CORTICAL_BONE, sternum, only=front)
    canvas.paint(Label.BONE_MARROW, sternum + 1.6, only=front)


def _paint_inside(canvas: Canvas, body: Thorax, cage: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Mediastinum, lungs, pleural fluid, diaphragm and the upper abdomen; returns the lungs' distance."""
    x, y, z = canvas.x, canvas.y, canvas.z
    s = body.size
    pleura = cage + 4.5
    canvas.paint(Label.MEDIASTINAL_FAT, pleura)

    def dome(side: float, top: float) -> np.ndarray:
        q = ((x - side * 62 * s) / (78 * s)) ** 2 + ((y + 2) / (84 * s)) ** 2
        return top - 46 * q - 22 * q * q * (y < 0)

    right, left = dome(1, body.diaphragm + 7), dome(-1, body.diaphragm - 5)
    floor = np.logaddexp(right / 6, left / 6) * 6
    below = z - floor
    half = 15 + 12 * np.clip((y + 20) / 60, 0, 1) + 4 * np.clip((z - 40) / 60, 0, 1)
    lungs = np.maximum(np.maximum(pleura, half - np.abs(x)), -below)
    canvas.paint(Label.LUNG, lungs)
    if body.pleural_fluid:
        # Free fluid layers in the back when lying down, higher at the base.
        level = -body.half_depth + body.pleural_fluid + 0.22 * (floor - z)
        side = 1 if random.random() < 0.5 else -1
        canvas.paint(Label.PLEURAL_FLUID, np.maximum(lungs, y - level), only=side * x > 0)
    for _ in range(body.nodules):
        side = 1 if random.random() < 0.5 else -1
        centre = (
            side * random.uniform(45, 95) * s,
            random.uniform(-45, 40),
            random.uniform(body.diaphragm + 25, 85 * s),
        )
        radii = tuple(random.uniform(4, 11, 3))
        box = canvas.box(np.subtract(centre, max(radii)), np.add(centre, max(radii)))
        distance = canvas.ellipsoid_distance(centre, radii, None, box)
        canvas.paint(Label.LUNG_NODULE, distance, box, only=lungs[box] < -1)
    canvas.paint(Label.VISCERAL_FAT, np.maximum(pleura - 3, below))
    canvas.paint(Label.DIAPHRAGM, np.maximum(np.maximum(pleura, below), -below - 3.5))
    organs = np.maximum(pleura + 1.5, below + 4)
    liver = np.maximum(
        organs, canvas.ellipsoid_distance((44 * s, 6, body.diaphragm - 62), (92 * s, 76 * s, 72), None)
    )
    canvas.paint(Label.LIVER, np.maximum(liver, -x - 34 * s))
    spleen = canvas.ellipsoid_distance((-84 * s, -34, body.diaphragm - 48), (30, 34, 44), None)
    canvas.paint(Label.SPLEEN, np.maximum(organs, spleen))
    stomach = canvas.ellipsoid_distance((-56 * s, 22, body.diaphragm - 44), (36, 34, 40), None)
    inside = np.maximum(organs + 1, stomach)
    canvas.paint(Label.MUSCLE, inside)
    canvas.paint(Label.STOMACH, inside + 4)
    canvas.paint(Label.BOWEL_GAS, np.maximum(inside + 4, 30 - y), only=y > 20)
    return lungs


def _paint_spine(canvas: Canvas, body: Thorax) -> None:
    """Vertebral bodies and discs, canal with cord, pedicles, laminae, spinous and transverse processes."""
    s = body.size
    width, depth = 18 * s, 14 * s
    low, high = (-70, -body.half_depth - 45, -400), (70, -15, 400)
    box = canvas.box(low, high)
    x = canvas.x[box] - body.scoliosis * np.sin(canvas.z[box] / 70)
    z = canvas.z[box]
    y = canvas.y[box] + (body.half_depth - 21 * s) + 0.5 * body.kyphosis * (1 - (z / 110) ** 2) + 2
    pitch = body.rib_pitch
    step = z / pitch
    along = np.abs(step - np.round(step)) * pitch  # 0 in the middle of a vertebra
    waist = 1 + 0.12 * (2 * along / pitch) ** 2
    round_ = oval(x, y, width * waist, depth * waist, 2.2)
    canvas.paint(Label.CARTILAGE, round_ + 0.5, box)
    bone = np.maximum(round_, along - (pitch / 2 - 2.2))
    arch = y + depth + 9
    lamina = np.maximum(np.abs(np.hypot(x / 1.15, arch) - 11.5) - 3.2, along - 0.36 * pitch)
    spinous = np.maximum(
        np.maximum(np.abs(x) - 3.2, np.abs(arch + 21 + 0.2 * along) - 12), along - 0.30 * pitch
    )
    transverse = np.maximum(
        np.maximum(np.abs(np.abs(x) - 21) - 13, np.abs(arch + 1) - 4.5), along - 0.22 * pitch
    )
    back = np.minimum(np.minimum(lamina, spinous), transverse)
    for part, rind in ((back, 1.9), (bone, 1.5)):
        canvas.paint(Label.CORTICAL_BONE, part, box)
        canvas.paint(Label.BONE_MARROW, part + rind, box)
    canal = np.hypot(x / 1.15, arch) - 8.5
    canvas.paint(Label.CSF, canal, box)
    canvas.paint(Label.SPINAL_CORD, np.hypot(x / 1.25, arch) - 4.4, box)


def _paint_shoulder_bones(canvas: Canvas, body: Thorax) -> None:
    """Shoulder blades and collar bones."""
    s = body.size
    for side in (-1, 1):
        centre = np.array([side * 0.74 * body.half_width, -0.66 * body.half_depth - 3, 62 * s])
        normal = np.array([side * 0.52, -0.82, 0.1])
        normal /= np.linalg.norm(normal)
        across = np.cross([0, 0, 1], normal)
        across /= np.linalg.norm(across)
        frame = np.stack([across, np.cross(normal, across), normal])
        box = canvas.box(centre - 75, centre + 75)
        u, v, w = canvas.local(centre, frame, box)
        bend = w + 0.004 * u * u
        rim = 2.2 + 2.6 * np.clip((np.abs(u) - 20) / 20, 0, 1)
        outline = np.maximum(np.abs(u) - np.clip(38 + 0.42 * v, 6, 46), np.abs(v) - 58 * s)
        plate = np.maximum(outline, np.abs(bend) - rim)
        canvas.paint(Label.MUSCLE, np.maximum(outline - 2, np.abs(bend) - rim - 7), box)
        canvas.paint(Label.CORTICAL_BONE, plate, box)
        canvas.paint(Label.BONE_MARROW, plate + 1.7, box)
        collar = [[20, 0.66 * body.half_depth, 108 * s], [70, 0.5 * body.half_depth, 122 * s]]
        collar.append([130, 0.1 * body.half_depth, 130 * s])
        path = smooth_path(np.array(collar) * [side, 1, 1])
        canvas.tube(Label.CORTICAL_BONE, path, 6.0)
        canvas.tube(Label.BONE_MARROW, path, 4.0)


def _paint_lung_vessels(canvas: Canvas, body: Thorax, lungs: np.ndarray, random: np.random.Generator) -> None:
    """Two trees of vessels that branch from the hila towards the pleura."""
    hilum = np.array([40.0, -12.0, body.heart.centre[2] + 36])
    for side in (-1, 1):
        start = hilum * [side, 1, 1]
        directions = random.normal(0, 1, (12, 3)) * [0.6, 1.0, 1.2] + [side * 0.9, -0.1, -0.1]
        branches = [(start, direction, 4.6, 0) for direction in directions]
        while branches:
            point, direction, radius, depth = branches.pop()
            direction = direction / np.linalg.norm(direction)
            length = random.uniform(18, 30) * 0.85**depth
            end = point + direction * length
            canvas.tube(Label.LUNG_VESSEL, np.stack([point, end]), [radius, radius * 0.8])
            if depth < 4:
                for _ in range(2):
                    branches.append((end, direction + random.normal(0, 0.5, 3), radius * 0.72, depth + 1))
    outside = canvas.label == Label.LUNG_VESSEL
    outside &= lungs > 0.5  # branches that left the lung are taken back
    canvas.label[outside] = np.where(
        canvas.z[outside] > body.diaphragm, Label.MEDIASTINAL_FAT, Label.VISCERAL_FAT
    )


def paint_airways(canvas: Canvas, body: Thorax) -> None:
    """Trachea, main bronchi and oesophagus."""
    spine = -body.half_depth + 44 * body.size
    carina = np.array([2.0, spine + 16, body.heart.centre[2] + 66])
    trachea = smooth_path([carina, carina + [0, 6, 40], carina + [0, 12, 100]])
    bronchi = [
        smooth_path([carina, carina + [side * 22, -2, -16], carina + [side * 46, -8, -30]])
        for side in (-1, 1)
    ]
    gullet = smooth_path(
        [
            [-6, spine + 8, 150],
            [-4, spine + 5, 60],
            [-8, spine + 3, 0],
            [-14, spine + 6, -70],
            [-30, spine + 20, -90],
        ]
    )
    canvas.tube(Label.OESOPHAGUS, gullet, 7.5)
    pipes = [(trachea, 9.0), *((path, 6.2) for path in bronchi)]
    for path, radius in pipes:
        canvas.tube(Label.AIRWAY_WALL, path, radius, grow=1.6)
    for path, radius in pipes:
        canvas.tube(Label.AIRWAY, path, radius)
