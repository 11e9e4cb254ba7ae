"""Flesh of a simulated hip: fat, muscles and the content of the pelvis; bones are painted over it.

Control points are (u, y, z, radius) in mm as in ``hip_bones``; those of a muscle that reaches the femur are
given as two lists, of the pelvis and of the femur.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from SynthLogic.phantoms.canvas import Box, Canvas
from SynthLogic.phantoms.hip_body import Hip, surfaces
from SynthLogic.phantoms.hip_bones import on_femur, on_pelvis
from SynthLogic.phantoms.hip_tissues import HipLabel
from SynthLogic.phantoms.shapes import Cloud, coarsely, oval, ramp, rope, sheet, smooth_max

Points = Sequence[tuple[float, float, float, float]]

# Ropes: (on the pelvis, on the femur); the deepest first, what lies nearer the skin is painted over it.
_ROPES: tuple[tuple[Points, Points], ...] = (
    ([(50, 2, -12, 11), (54, -26, -10, 12.2), (68, -54, -6, 9.8)], [(26, -34, -2, 6.1), (50, -16, -6, 4.9)]),
    ([(26, -76, 56, 11), (58, -66, 30, 13.4), (88, -48, 14, 11)], [(50, -16, -2, 4.9)]),
    ([(40, 20, -44, 11), (62, -4, -44, 12.2)], [(14, -26, -34, 8.5), (44, -18, -20, 6.1)]),
    ([(64, -40, -54, 12.2)], [(14, -32, -50, 11), (38, -20, -50, 11)]),
    (
        [(38, -12, 165, 22), (50, 4, 110, 23.2), (72, 30, 52, 19.5), (84, 36, 12, 17.1)],
        [(8, 24, -30, 14.6), (26, -12, -56, 9.8)],
    ),
    ([(30, 50, -10, 12.2), (50, 38, -26, 15.9)], [(8, 14, -62, 14.6), (32, 0, -82, 9.8)]),
    (
        [(20, 38, -40, 14.6), (42, 28, -72, 24.4)],
        [(0, 10, -118, 30.5), (4, 8, -180, 26.8), (4, 8, -230, 24.4)],
    ),
    (
        [(50, -24, -68, 15.9), (54, -12, -100, 29.3)],
        [(-14, -18, -130, 32.9), (-8, -22, -180, 31.7), (-6, -22, -230, 29.3)],
    ),
    ([(11, 30, -44, 7.3), (18, 16, -80, 12.2), (24, 2, -130, 14.6), (30, -10, -200, 14.6)], []),
    (
        [(60, -50, -58, 12.2), (68, -56, -88, 24.4)],
        [(2, -50, -130, 31.7), (6, -50, -180, 31.7), (8, -48, -230, 30.5)],
    ),
    (
        [],
        [
            (56, 4, -36, 11),
            (58, 4, -66, 24.4),
            (55, 10, -110, 31.7),
            (50, 14, -170, 34.2),
            (44, 16, -230, 31.7),
        ],
    ),
    ([], [(38, 20, -58, 12.2), (38, 28, -100, 22), (34, 34, -160, 24.4), (30, 34, -230, 24.4)]),
    ([], [(16, 18, -84, 12.2), (8, 24, -130, 20.7), (4, 26, -180, 25.6), (2, 26, -230, 26.8)]),
    (
        [(99, 42, 30, 7.3), (104, 50, 4, 12.2)],
        [(28, 46, -56, 18.3), (26, 50, -104, 22), (22, 52, -170, 23.2), (18, 50, -230, 22)],
    ),
    (
        [(122, 46, 70, 8.5), (135, 46, 36, 13.4), (140, 34, 0, 14.6)],
        [(62, 22, -50, 12.2), (66, 8, -100, 6.1)],
    ),
    (
        [
            (118, 52, 70, 7.3),
            (108, 62, 30, 9.8),
            (94, 64, -20, 11),
            (74, 58, -80, 12.2),
            (50, 42, -150, 13.4),
            (40, 30, -220, 13.4),
        ],
        [],
    ),
)
_ILIACUS = [
    [(121, 30, 98, 4), (118, -14, 112, 4), (90, -46, 108, 4)],
    [(104, 30, 66, 9), (97, -6, 72, 10), (76, -36, 74, 8)],
    [(92, 40, 30, 10), (82, 26, 30, 9), (70, 10, 34, 8)],
]
_ERECTOR: Points = [
    (36, -62, 175, 27),
    (36, -80, 125, 25),
    (29, -96, 85, 18),
    (17, -104, 48, 10),
    (14, -106, 24, 5),
]
_LOIN: Points = [(64, -36, 175, 14), (76, -42, 140, 13), (88, -50, 116, 8)]
_MEDIUS = (
    [
        [(122, 44, 82, 5.6), (142, 17, 105, 8.4), (140, -17, 117, 8.4), (111, -60, 106, 6.9)],
        [(127, 40, 58, 11.2), (135, 12, 68, 19.6), (126, -24, 72, 21.1), (98, -64, 72, 12.5)],
        [(134, 24, 30, 12.5), (141, 4, 30, 18.1), (131, -26, 32, 19.6), (108, -52, 38, 12.5)],
    ],
    [[(68, 4, -22, 8.4), (69, -6, -16, 9.9), (64, -14, -6, 9.9), (58, -18, -4, 6.9)]],
)
_MINIMUS = (
    [
        [(122, 28, 70, 5.3), (119, -4, 82, 5.3), (101, -32, 76, 5.3)],
        [(119, 26, 48, 9.2), (114, 2, 50, 11.9), (97, -27, 46, 9.2)],
        [(121, 20, 24, 9.2), (117, 3, 27, 11.9), (106, -18, 27, 9.2)],
    ],
    [[(57, 8, -20, 6.6), (56, 3, -12, 6.6), (54, -3, -6, 5.3)]],
)
# Rows from the midline to the femur, columns from the wing downwards; the last row lies on the femur.
_MAXIMUS = (
    [
        [(62, -98, 92, 6.8), (40, -105, 62, 12.2), (26, -103, 24, 14.9), (21, -92, -12, 12.2)],
        [(94, -84, 74, 10.8), (76, -103, 38, 21.7), (60, -107, -2, 29.9), (46, -98, -40, 21.7)],
        [(128, -58, 42, 10.8), (116, -78, 6, 21.7), (100, -86, -34, 27.1), (82, -82, -66, 20.4)],
    ],
    [[(72, -12, 8, 6.8), (70, -24, -34, 9.5), (60, -26, -68, 10.8), (50, -20, -104, 8.2)]],
)


def paint_flesh(canvas: Canvas, body: Hip, random: np.random.Generator) -> None:
    """Paint skin, fat, muscles and organs, from the skin inwards."""
    fascia, skin = coarsely(canvas, partial(surfaces, body), None)
    canvas.paint(HipLabel.SKIN, skin - 2.0)
    canvas.paint(HipLabel.SUBCUTANEOUS_FAT, skin)
    inside = np.maximum(fascia, skin + 5)
    canvas.paint(HipLabel.INTERMUSCULAR_FAT, inside)
    cavity = coarsely(canvas, partial(_cavity, body), None)
    _paint_wall(canvas, body, inside, cavity)
    canvas.paint(HipLabel.VISCERAL_FAT, cavity)
    _paint_organs(canvas, body, inside, cavity, random)
    for side in (1, -1):
        _paint_side(canvas, body, side, inside)
        _paint_vessels(canvas, body, side, inside)


def _cavity(body: Hip, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Distance to the inside of the abdomen and the small pelvis, closed below by its floor."""
    s, q = body.size, z / body.size
    wide = s * ramp(q, [(-52, 14), (-30, 34), (0, 47), (30, 52), (70, 76), (110, 98), (160, 104)])
    front = s * ramp(q, [(-50, 8), (-20, 26), (5, 42), (30, 54), (80, 61), (160, 62)])
    front = front + body.belly * ramp(q, [(20, 0), (80, 1)])
    back = s * ramp(q, [(-50, -44), (-10, -70), (30, -70), (70, -48), (105, -16), (130, -8), (160, -8)])
    return smooth_max(oval(x, y - (front + back) / 2, wide, (front - back) / 2, 2.2), -52 * s - z, 10)


def _paint_wall(canvas: Canvas, body: Hip, inside: np.ndarray, cavity: np.ndarray) -> None:
    """The wall of the belly: three layers at the side, one straight muscle each side of the middle."""
    s = body.size
    x, y, q = canvas.x, canvas.y, canvas.z / s
    thick = 17 * body.bulk * s * np.clip(1.3 * np.abs(x) / (105 * s) - 0.2, 0.25, 1)
    wall = np.maximum(np.maximum(inside + 1, -(inside + thick)), 78 - q - 0.55 * np.clip(y, -20, 60))
    wall = np.maximum(wall, -30 * s - y)
    canvas.paint(HipLabel.MUSCLE, wall)
    for depth in (0.4, 0.68):
        gap = np.abs(inside + depth * thick) - 0.45
        canvas.paint(HipLabel.INTERMUSCULAR_FAT, gap, only=(wall < -1) & (np.abs(x) > 72 * s))
    straight = np.maximum(np.abs(inside + 7 * s) - 5.0 * body.bulk * s, np.abs(np.abs(x) - 33 * s) - 28 * s)
    straight = np.maximum(np.maximum(straight, 20 * s - y), -8 - q + 0.5 * np.abs(x) / s)
    canvas.paint(HipLabel.INTERMUSCULAR_FAT, straight - 1.5, only=y > 20 * s)
    canvas.paint(HipLabel.MUSCLE, straight)
    floor = np.maximum(np.maximum(np.abs(cavity + 0.5) - 3.0 * s, q - 4), -54 - q)
    canvas.paint(HipLabel.MUSCLE, floor)


def _paint_organs(
    canvas: Canvas, body: Hip, inside: np.ndarray, cavity: np.ndarray, random: np.random.Generator
) -> None:
    """Loops of bowel, rectum, bladder, and uterus or prostate."""
    s = body.size
    for _ in range(int(random.integers(28, 38))):
        height = random.uniform(22, 165) * s
        low = np.clip((height / s - 20) / 100, 0, 1)
        start = np.array([random.uniform(-1, 1) * (24 + 50 * low), random.uniform(-10, 54), height])
        way = np.cumsum(random.normal(0, 1, (5, 3)) * [20, 10, 14], axis=0)
        _paint_loop(canvas, start + way * s, float(random.uniform(11, 17)) * s, cavity, random)
    rectum = np.array(
        [[2, -60, 42, 12], [4, -68, 18, 13], [0, -62, -10, 14], [0, -52, -40, 9], [0, -60, -68, 7]]
    )
    cloud = rope(rectum * s)
    box = cloud.box(canvas, 4)
    canvas.paint(HipLabel.BOWEL, np.maximum(cloud.distance(canvas, box), inside[box] + 4), box)
    fill = body.bladder
    canvas.ellipsoid(HipLabel.PELVIC_ORGAN, (0, 18 * s, 8), (37 * fill + 4, 25 * fill + 4, 23 * fill + 4))
    canvas.ellipsoid(HipLabel.BLADDER, (0, 18 * s, 8), (37 * fill, 25 * fill, 23 * fill))
    if body.female:
        lean = float(random.normal(0, 8))
        canvas.ellipsoid(HipLabel.PELVIC_ORGAN, (lean, -26 * s, 26 * s), (26, 19, 24))
        canvas.tube(HipLabel.PELVIC_ORGAN, np.array([[lean, -30, 10], [0, -28, -36]]) * s, [13, 9])
    else:
        canvas.ellipsoid(HipLabel.PELVIC_ORGAN, (0, 14 * s, -26 * s), (22, 16, 16))


def _paint_loop(
    canvas: Canvas, points: np.ndarray, radius: float, cavity: np.ndarray, random: np.random.Generator
) -> None:
    cloud = rope(np.column_stack([points, np.full(len(points), radius)]), 4.0)
    box = cloud.box(canvas, 3)
    if any(part.stop <= part.start for part in box):
        return
    inside = np.maximum(cloud.distance(canvas, box, 4, coarse=True), cavity[box] + 3)
    canvas.paint(HipLabel.VISCERAL_FAT, inside - 1.2, box, only=cavity[box] < -2)
    canvas.paint(HipLabel.BOWEL, inside, box)
    if random.random() < 0.55:  # gas collects under the front wall of a loop
        level = canvas.y[box] - float(np.median(points[:, 1])) - radius * float(random.uniform(-0.4, 0.5))
        canvas.paint(HipLabel.BOWEL_GAS, np.maximum(inside + 3.0, -level), box)


def _muscle(body: Hip, side: int, pelvic: Any, femoral: Any, bulk: float) -> np.ndarray:
    """Control points in patient space, from both frames."""
    parts = []
    if len(pelvic):
        parts.append(on_pelvis(body, np.asarray(pelvic, float)))
    if len(femoral):
        parts.append(on_femur(body, side, np.asarray(femoral, float)))
    points = np.concatenate(parts)
    points[..., 3] *= bulk
    points[..., 0] *= side
    return points


def _paint_side(canvas: Canvas, body: Hip, side: int, inside: np.ndarray) -> None:
    """Muscles of one side, the deep ones over those that wrap them."""
    random = np.random.default_rng([body.side(side).form, 2])

    bellies: list[tuple[HipLabel, Box, np.ndarray]] = []

    def paint(label: HipLabel, cloud: Cloud) -> None:
        reach = 10 + canvas.edge  # the most that a muscle is grown by, and the ramp at its edge
        box = cloud.box(canvas, reach)
        if not any(part.stop <= part.start for part in box):
            distance = np.maximum(cloud.distance(canvas, box, reach, coarse=True), inside[box] + 0.8)
            bellies.append((label, box, distance))

    def bulk() -> float:
        return body.bulk * float(np.clip(random.normal(1, 0.04), 0.9, 1.1))

    def net(muscle: Any, bulk_: float, step: float = 4.0) -> Cloud:
        pelvic, femoral = muscle
        return sheet(_muscle(body, side, pelvic, femoral, bulk_), step)

    for points in (_ERECTOR, _LOIN):
        paint(HipLabel.MUSCLE, rope(_muscle(body, side, points, [], bulk()), 4))
    paint(HipLabel.GLUTEUS_MAXIMUS, net(_MAXIMUS, bulk(), 5.0))
    for pelvic, femoral in _ROPES:
        paint(HipLabel.MUSCLE, rope(_muscle(body, side, pelvic, femoral, bulk()), 4))
    paint(HipLabel.MUSCLE, sheet(_muscle(body, side, _ILIACUS, [], bulk()), 4))
    paint(HipLabel.GLUTEUS_MEDIUS, net(_MEDIUS, bulk()))
    paint(HipLabel.GLUTEUS_MINIMUS, net(_MINIMUS, bulk()))
    for label, box, distance in bellies:  # in the thigh muscles are packed
        if label == HipLabel.MUSCLE:
            grow = ramp(canvas.z[box] / body.size, [(-110, 9), (-80, 6), (-50, 0)])
            canvas.paint(label, np.maximum(distance - grow, inside[box] + 0.8), box)
    for label, box, distance in bellies:
        canvas.paint(HipLabel.INTERMUSCULAR_FAT, distance - 1.0, box, only=inside[box] < -1)
        canvas.paint(label, distance, box)


def _paint_vessels(canvas: Canvas, body: Hip, side: int, inside: np.ndarray) -> None:
    """Iliac and femoral artery and vein in their bed of fat."""
    s = body.size
    artery = [(10, 2, 190), (24, 8, 130), (42, 12, 84), (66, 40, 30)]
    artery += [(78, 50, -6), (72, 42, -50), (62, 26, -110)]
    for shift, radius in (((0, 0, 0), 4.6), ((-12, -4, 0), 5.8)):
        path = (np.array(artery, float) + shift) * s * [side, 1, 1]
        cloud = rope(np.column_stack([path, np.full(len(path), radius * s)]))
        box = cloud.box(canvas, 4)
        if any(part.stop <= part.start for part in box):
            continue
        distance = np.maximum(cloud.distance(canvas, box), inside[box] + 3)
        canvas.paint(HipLabel.INTERMUSCULAR_FAT, distance - 1.5, box)
        canvas.paint(HipLabel.VESSEL, distance, box)
