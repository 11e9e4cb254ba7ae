"""Bones of a simulated hip: hip bones with their sockets, sacrum, femora, the lowest two vertebrae.

Control points are (u, y, z, radius) in mm of a man of mean size; u is lateral. The femur's own start at the
centre of its head, in the neutral pose.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from SynthLogic.phantoms.canvas import Canvas
from SynthLogic.phantoms.hip_body import Femur, Hip
from SynthLogic.phantoms.hip_tissues import HipLabel
from SynthLogic.phantoms.shapes import Cloud, oval, ramp, rope, sheet, smooth_max, smooth_min

_SPAN = 88.0  # half the distance between the heads to which the control points belong
# Crest, middle and lower border of the wing, each from front to back.
_WING = [
    [(119, 48, 76, 6.0), (137, 22, 110, 7.5), (135, -16, 125, 6.0), (106, -58, 114, 6.0), (50, -95, 84, 7.5)],
    [(111, 45, 54, 5.0), (119, 18, 72, 3.8), (109, -16, 82, 3.0), (85, -50, 80, 4.5), (52, -86, 62, 8.0)],
    [(98, 38, 33, 7.5), (100, 15, 36, 6.5), (91, -8, 38, 6.5), (75, -38, 40, 7.0), (54, -72, 40, 7.0)],
]
_ARCUATE = [(57, -62, 42, 6), (64, -32, 26, 7), (67, 0, 19, 7), (62, 26, 8, 7)]
_POSTERIOR_COLUMN = [(68, -44, 32, 7), (70, -34, 10, 10), (73, -29, -10, 11)]
_SPINE = [(62, -38, 0, 6), (49, -47, -4, 3.5)]
_ISCHIUM = [(78, -25, -12, 11), (69, -38, -32, 11), (59, -41, -55, 12), (49, -28, -67, 8)]
_LOWER_RAMUS = [(49, -28, -67, 8), (32, 6, -60, 5.5), (15, 36, -42, 6.0)]
_UPPER_RAMUS = [(74, 24, 2, 10), (50, 42, -1, 7), (26, 50, -7, 6.5), (12, 47, -15, 7.5), (11.5, 42, -34, 7)]
_SACRUM = [
    [(0, -34, 95, 16), (24, -44, 92, 13), (47, -59, 84, 11)],
    [(0, -57, 72, 13), (22, -65, 69, 11), (46, -72, 62, 9)],
    [(0, -75, 48, 10), (18, -79, 46, 9), (34, -83, 43, 7)],
    [(0, -86, 25, 8), (13, -87, 24, 7), (22, -88, 23, 5)],
    [(0, -88, 5, 6), (7, -88, 5, 5), (12, -88, 5, 4)],
    [(0, -80, -14, 4), (3, -80, -14, 3.5), (6, -80, -14, 3)],
]


def _mirrored(cloud: Cloud, side: int) -> Cloud:
    return cloud.moved(np.diag([side, 1.0, 1.0]))


def _irregular(points: Any, random: np.random.Generator, amount: float = 1.3) -> np.ndarray:
    """Control points moved by a subject's own irregularity (mm, standard deviation)."""
    p = np.asarray(points, float)
    p[..., :3] += random.normal(0, amount, (*p.shape[:-1], 3))
    return p


def on_femur(body: Hip, side: int, points: np.ndarray) -> np.ndarray:
    """Femoral points (..., 4) of the control frame, in patient space (u, y, z, radius) under the pose."""
    femur = body.side(side)
    p = np.array(points, float) * body.size
    p[..., :3] = p[..., :3] @ femur.turn().T
    p[..., 0] += body.half_span
    return p


def on_pelvis(body: Hip, points: np.ndarray) -> np.ndarray:
    """Pelvic points (..., 4) of the control frame, for this body's size, span and flare."""
    p = np.array(points, float) * body.size
    middle = np.clip(np.abs(p[..., 0]) / (_SPAN * body.size), 0, 1)
    p[..., 0] += np.sign(p[..., 0]) * (body.half_span - _SPAN * body.size) * middle
    up = np.clip(p[..., 2] / (110 * body.size), 0, 1) * (p[..., 0] > 60 * body.size)
    p[..., 0] += body.flare * up
    if body.female:
        p[..., 2] -= 5 * up * body.size
    low = np.clip((-p[..., 2] / body.size - 30) / 35, 0, 1)
    p[..., 0] += 6 * body.arch * low
    return p


def paint_bones(canvas: Canvas, body: Hip, random: np.random.Generator) -> None:
    """Paint all bones and what joins them, over the flesh."""
    _paint_vertebrae(canvas, body)
    sacrum = sheet(_both_sides(on_pelvis(body, _irregular(_SACRUM, random, 1.0))))
    for side in (1, -1):
        _paint_hip_bone(canvas, body, side, sacrum)
    _paint_sacrum(canvas, body, sacrum)
    for side in (1, -1):
        _paint_joint(canvas, body, side)
        _paint_femur(canvas, body, side)


def _both_sides(half: np.ndarray) -> np.ndarray:
    """Rows from the middle outwards (M, N, 4), continued on the other side: (M, 2N - 1, 4)."""
    half[:, 0, 0] = 0
    other = half[:, :0:-1] * [-1, 1, 1, 1]
    return np.concatenate([other, half], axis=1)


def opening(femur: Femur) -> np.ndarray:
    """Unit vector (u, y, z) that the socket faces: outward, downward, a little forward."""
    n = np.array([0.72, 0.20 + 0.006 * femur.version, -0.60])
    return np.asarray(n / np.linalg.norm(n))


def hip_bone(body: Hip, side: int) -> Cloud:
    """One hip bone without its socket."""
    random = np.random.default_rng(body.side(side).form)
    parts = [sheet(on_pelvis(body, _irregular(_WING, random)))]
    for points in (_ARCUATE, _POSTERIOR_COLUMN, _SPINE, _ISCHIUM, _LOWER_RAMUS, _UPPER_RAMUS):
        shaken = _irregular(points, random, 0.6)
        parts.append(rope(on_pelvis(body, shaken), 2.5))
    cloud = parts[0]
    for part in parts[1:]:
        cloud = cloud + part
    return _mirrored(cloud, side)


def _paint_hip_bone(canvas: Canvas, body: Hip, side: int, sacrum: Cloud) -> None:
    femur, centre = body.side(side), body.centre(side)
    cloud = hip_bone(body, side)
    box = cloud.box(canvas, 8)
    x, y, z = (a[box] for a in (canvas.x, canvas.y, canvas.z))
    bone = cloud.distance(canvas, box, 10)
    u, v, w = side * (x - centre[0]), y - centre[1], z - centre[2]
    away = np.sqrt(u * u + v * v + w * w)
    n = opening(femur)
    inner = femur.head + femur.joint
    roof = np.clip(w / np.maximum(away, 1), -0.3, 1)
    wall = (5.0 + 7.0 * roof + 2.5 * np.clip(-v / np.maximum(away, 1), 0, 1)) * body.size
    depth = u * n[0] + v * n[1] + w * n[2]
    rim = 1.0 * body.size + 3.5 * femur.osteoarthritis
    cup = smooth_max(away - inner - wall, depth - rim, 3)
    whole = smooth_min(bone, cup, 7)
    # The other bone's side of the symphysis and the sacrum's of its joint are not this bone's.
    whole = np.maximum(whole, 2.4 - side * x)
    whole = np.maximum(whole, inner - away)
    mate = sacrum.distance(canvas, box, 10)
    whole = np.maximum(whole, 0.5 * (whole - mate) + 1.2)
    # Sclerosis under a worn joint's cartilage.
    near = np.clip(1 - (away - inner) / 9, 0, 1) * np.clip(roof, 0, 1)
    rind = 1.5 + (1.2 + 3.0 * femur.osteoarthritis) * near
    canvas.paint(HipLabel.PELVIS_CORTEX, whole, box)
    canvas.paint(HipLabel.PELVIS_MARROW, whole + rind, box)


def _paint_sacrum(canvas: Canvas, body: Hip, sacrum: Cloud) -> None:
    s = body.size
    box = sacrum.box(canvas, 8)
    bone = sacrum.distance(canvas, box, 10)
    for side in (1, -1):
        wing = hip_bone(body, side).distance(canvas, box, 10)
        apart = np.abs(wing - bone) * 0.5
        z = canvas.z[box]
        between = np.maximum(np.maximum(apart - 1.2, np.maximum(bone, wing) - 2.5), 28 * s - z)
        canvas.paint(HipLabel.FIBROCARTILAGE, between, box)
        bone = np.maximum(bone, 0.5 * (bone - wing) + 1.2)
    canvas.paint(HipLabel.PELVIS_CORTEX, bone, box)
    canvas.paint(HipLabel.PELVIS_MARROW, bone + 1.5, box)
    canal = np.array([[0, -66, 100, 7.5], [0, -74, 74, 6.5], [0, -88, 50, 4.5], [0, -95, 30, 3]]) * s
    canvas.tube(HipLabel.SPINAL_CANAL, canal[:, :3], canal[:, 3])
    for side in (1, -1):
        for u, v, w in ((17, -62, 82), (16, -76, 58), (13, -85, 36)):
            hole = np.array([[u - 1, v + 20, w + 3], [u + 3, v - 18, w - 3]]) * s * [side, 1, 1]
            canvas.tube(HipLabel.INTERMUSCULAR_FAT, hole, 3.6 * s)
    symphysis = np.array([[0, 47, -12], [0, 42, -34]]) * s
    place = canvas.box(symphysis.min(0), symphysis.max(0), 12)
    x, y, z = (a[place] for a in (canvas.x, canvas.y, canvas.z))
    disc = np.maximum(np.abs(x) - 2.6, np.hypot((y - 45 * s) / 1.1, (z + 23 * s) / 2.0) - 9 * s)
    free = ~np.isin(canvas.label[place], (HipLabel.PELVIS_CORTEX, HipLabel.PELVIS_MARROW))
    canvas.paint(HipLabel.FIBROCARTILAGE, disc, place, only=free)


def _paint_vertebrae(canvas: Canvas, body: Hip) -> None:
    s = body.size
    box = canvas.box((-48 * s, -95 * s, 95 * s), (48 * s, 25 * s, 260 * s))
    x, y, z = (a[box] / s for a in (canvas.x, canvas.y, canvas.z))
    lean = -20 + 0.22 * (z - 115)  # the lordosis carries the upper ones forward
    pitch = 36.0
    step = (z - 132 - 0.25 * (y + 20)) / pitch
    along = np.abs(step - np.round(step)) * pitch
    low = 98 - z
    body_ = np.maximum(oval(x, y - lean, 24 + 2 * along / 14, 16.5 + along / 14, 2.3), low) * s
    arch = y - lean + 34
    ring = np.maximum(np.abs(np.hypot(x / 1.2, arch) - 12) - 3.4, along - 12)
    spine = np.maximum(np.maximum(np.abs(x) - 3.2, np.abs(arch + 26) - 14), along - 9)
    side = np.maximum(np.maximum(np.abs(np.abs(x) - 28) - 13, np.abs(arch - 4) - 5), along - 6)
    back = np.maximum(np.minimum(np.minimum(ring, spine), side), low) * s
    bone = np.maximum(np.maximum(body_, (along - 14.0) * s), (112 - z) * s)
    canvas.paint(HipLabel.FIBROCARTILAGE, body_, box)
    for part, rind in ((back, 1.7), (bone, 1.5)):
        canvas.paint(HipLabel.VERTEBRA_CORTEX, part, box)
        canvas.paint(HipLabel.VERTEBRA_MARROW, part + rind, box)
    canvas.paint(HipLabel.SPINAL_CANAL, np.maximum(np.hypot(x / 1.2, arch) - 9, low) * s, box)


def _paint_joint(canvas: Canvas, body: Hip, side: int) -> None:
    """Cartilage and fluid that fill the socket, and the capsule's soft rim over the head."""
    femur, centre = body.side(side), body.centre(side)
    inner = femur.head + femur.joint
    box = canvas.box(centre - inner - 4, centre + inner + 4)
    u, v, w = canvas.local(centre, None, box)
    n = opening(femur)
    away = np.sqrt(u * u + v * v + w * w)
    depth = side * u * n[0] + v * n[1] + w * n[2]
    taken = np.isin(canvas.label[box], (HipLabel.PELVIS_CORTEX, HipLabel.PELVIS_MARROW))
    filled = np.maximum(away - inner - 0.3, depth - 5)
    canvas.paint(HipLabel.CARTILAGE, filled, box, only=~taken)
    lid = np.maximum(away - femur.head - 2.2, 4 - depth)
    canvas.paint(HipLabel.CARTILAGE, lid, box, only=~taken)


def _femur_clouds(body: Hip, side: int) -> Cloud:
    """The femur below its head, in the neutral pose of size 1, head at the origin."""
    femur = body.side(side)
    random = np.random.default_rng([femur.form, 1])
    lean, turn = np.deg2rad(femur.neck - 90), np.deg2rad(femur.version - 12)
    out = np.array([np.cos(lean), -0.16, -np.sin(lean)])
    out[:2] = np.array([[np.cos(turn), -np.sin(-turn)], [np.sin(-turn), np.cos(turn)]]) @ out[:2]
    out /= np.linalg.norm(out)
    foot = out * 53
    neck = np.array([[*(out * t), r] for t, r in ((4, 18), (17, 16.5), (30, 15.5), (42, 18.5), (53, 19.5))])
    x, y, z = foot
    shaft = [(x, y, z, 19.5), (x + 0.5, y + 2, z - 22, 17.5), (x - 1, y + 5, z - 55, 15)]
    shaft += [(x - 4, y + 9, z - 100, 14), (x - 8, y + 12, z - 150, 14), (x - 13, y + 14, z - 220, 14)]
    greater = [(x + 2, y, z, 17), (x + 11, y - 3, z + 14, 13), (x + 12, y - 6, z + 27, 10)]
    greater.append((x + 8, y - 9, z + 34, 7))
    lesser = [(x - 6, y - 2, z - 18, 13), (x - 15, y - 12, z - 22, 7.5)]
    parts = [rope(neck, 2.5)]
    parts += [rope(_irregular(p, random, 0.7), 2.5) for p in (shaft, greater, lesser)]
    cloud = parts[0]
    for part in parts[1:]:
        cloud = cloud + part
    return cloud


def _paint_femur(canvas: Canvas, body: Hip, side: int) -> None:
    femur, centre, s = body.side(side), body.centre(side), body.size
    flip = np.diag([side, 1.0, 1.0])
    own = _femur_clouds(body, side)
    cloud = own.scaled(s).moved(flip @ femur.turn(), centre)
    head = Cloud(centre[None], np.array([femur.head]))
    box = (cloud + head).box(canvas, 6)
    rest = cloud.distance(canvas, box, 8)
    u, v, w = canvas.local(centre, femur.turn().T @ flip, box)
    away = np.sqrt(u * u + v * v + w * w)
    bone = smooth_min(away - femur.head, rest, 5)
    # The neck's fillet must not grow into the socket.
    n = femur.turn().T @ opening(femur)
    outward = u * n[0] + v * n[1] + w * n[2]
    bone = np.where(outward < 4, np.maximum(bone, away - femur.head), bone)
    if femur.osteoarthritis:  # osteophytes round the edge of the head
        edge = np.hypot(away - femur.head - 0.5, outward - 9)
        bone = np.where(w > -15, smooth_min(bone, edge - 4.5 * femur.osteoarthritis, 3), bone)
    z = w / s
    rind = s * ramp(z, [(-120, 6.5), (-78, 5.8), (-58, 4.2), (-40, 2.4), (-22, 1.7), (0, 1.3)])
    rind = rind + 2.2 * np.clip(1 - np.abs(z + 42) / 22, 0, 1) * (u / s < 30)  # calcar, the neck's inner side
    rind = rind + 1.5 * femur.osteoarthritis * (away > femur.head - 6) * (z > 8)
    canvas.paint(HipLabel.FEMUR_CORTEX, bone, box)
    head_part = np.minimum(away - 0.9 * femur.head, np.hypot(u - 14 * s, z + 10) - 13 * s)
    canvas.paint(HipLabel.FEMUR_MARROW, bone + rind, box)
    canvas.paint(HipLabel.FEMUR_HEAD_MARROW, np.maximum(bone + rind, head_part), box)
