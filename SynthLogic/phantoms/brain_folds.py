"""The brain of a simulated head: folded cortex, white matter, ventricles, nuclei, cerebellum, stem.

Sulci lie where a band-limited random field is zero. The field is constant along rays from the middle of each
hemisphere, so its zero sheets stand on the surface as sulci do, and meander like them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage

from SynthLogic.phantoms.brain_tissues import BrainLabel
from SynthLogic.phantoms.canvas import Box, Canvas, smooth_noise
from SynthLogic.phantoms.head import Head, ball
from SynthLogic.phantoms.shapes import Cloud, ramp, rope, smooth_max, smooth_min

_GRAIN = 2.0  # mm of the lattice that the field of folds is drawn on
_ROOM = 240.0
_TENT = [(-85.0, -17.0), (-50.0, -9.0), (-30.0, -8.0)]  # (y, z) where the hindbrain's roof lies
# Control points (x, y, z, radius) of the right side's ventricle and nuclei.
_VENTRICLE = [(9, 33, 6, 3.5), (10, 22, 12, 5), (10, 4, 18, 4.5), (13, -16, 20, 5), (21, -36, 12, 6.5)]
_TEMPORAL_HORN = [(21, -36, 12, 6), (30, -30, -4, 4), (34, -12, -16, 3.2), (32, 4, -20, 3)]
_OCCIPITAL_HORN = [(21, -36, 12, 5.5), (24, -50, 7, 3.8), (22, -62, 5, 2.2)]
_CAUDATE = [(13, 26, 5, 5.5), (15.5, 20, 10, 6.5), (17, 6, 18, 4.5), (18.5, -12, 22, 3.2), (25, -28, 17, 2.5)]


def paint_brain(canvas: Canvas, body: Head, inner: np.ndarray) -> None:
    """Paint the brain into the cavity of distance ``inner`` (K, J, I), which holds nothing but fluid."""
    random = np.random.default_rng(body.folds)
    box = canvas.box((-78, -95, -80), (78, 90, 80))
    gap = ramp(np.array(body.atrophy), [(0, 0.8), (1, 3.2)])
    # On a curved base the brain rests nearly on the bone; fluid collects at the top.
    hull = inner[box] + float(gap) * ramp(canvas.z[box], [(-20, 0.6), (30, 1.0), (70, 1.3)])
    _paint_cerebellum(canvas, body, hull, box, random)
    _paint_stem(canvas)
    _paint_cerebrum(canvas, body, hull, box, random)
    for side in (1, -1):
        _paint_nuclei(canvas, side)
        _paint_ventricle(canvas, body, side, random)
    third = ball(canvas.x[box], canvas.y[box], canvas.z[box], (0, -8, 2), (1.8 + 3 * body.atrophy, 18, 12))
    canvas.paint(BrainLabel.VENTRICLE, third, box)
    _paint_dura(canvas, inner, box)


def _fold_field(body: Head, random: np.random.Generator) -> np.ndarray:
    """A random field of stripes one gyrus apart, on a cube of ``_ROOM`` mm; deviation 1, float32."""
    count = int(_ROOM / _GRAIN)
    white = random.standard_normal((count,) * 3, dtype=np.float32)
    fine = body.gyrus / _GRAIN
    field = ndimage.gaussian_filter(white, fine, mode="wrap")
    field -= ndimage.gaussian_filter(field, fine * 1.6, mode="wrap")
    return np.asarray(field / field.std(), np.float32)


def _sulci(
    canvas: Canvas, body: Head, box: Box, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Distance (mm) to the nearest sheet of the field in ``box``, and the sulci's own depth there."""
    field = _fold_field(body, random)
    x, y, z = (axis[box] for axis in (canvas.x, canvas.y, canvas.z))
    u, v, w = np.abs(x) - 12, y + 5, z - 4
    ray = np.sqrt((u / 56) ** 2 + (v / 80) ** 2 + (w / 58) ** 2) + 1e-3
    pull = (0.86 + 0.14 * ray) / ray
    bend = [4.5 * smooth_noise(x.shape, 20, canvas.spacing, random) for _ in range(3)]
    place = np.stack([w * pull, v * pull, u * pull + np.where(x > 0, 55, -55).astype(np.float32)])
    place += np.stack(bend)  # sulci are no planes
    place = (place + np.float32(_ROOM / 2)) / np.float32(_GRAIN)
    value = ndimage.map_coordinates(field, place, output=np.float32, order=1, mode="grid-wrap")
    steps = canvas.spacing[::-1]
    parts = [np.gradient(value, step, axis=n) for n, step in enumerate(steps) if value.shape[n] > 1]
    slope = np.sqrt(sum((g * g for g in parts), np.zeros_like(value)))
    slope = ndimage.gaussian_filter(slope, [1.5 / step for step in steps])
    shell = slope[(ray > 0.7) & (ray < 1.1)]
    typical = float(np.median(shell)) if shell.size else 1.0
    sheets = np.abs(value) / np.maximum(slope, 0.6 * max(typical, 1e-6))
    depth = np.roll(field, 37, axis=0)
    own = ndimage.map_coordinates(depth, place, output=np.float32, order=1, mode="grid-wrap")
    return sheets, body.sulcus * (1 + 0.16 * np.clip(own, -2, 2))


def _paint_cerebrum(
    canvas: Canvas, body: Head, hull: np.ndarray, box: Box, random: np.random.Generator
) -> None:
    x, y, z = (axis[box] for axis in (canvas.x, canvas.y, canvas.z))
    aside = np.abs(x)
    base = ramp(y, _TENT + [(-20, -11), (14, -12), (30, -17), (80, -16)])
    base = base + 8 * np.clip(1 - aside / 34, 0, 1) * ramp(y, [(-80, 0.4), (-60, 1), (-32, 1), (-18, 0)])
    upper = smooth_max(hull, base - z, 5)
    temporal = smooth_min(
        ball(aside, y, z, (41, 8, -22), (22, 34, 20)), ball(aside, y, z, (42, -24, -14), (23, 30, 16)), 8
    )
    temporal = smooth_max(temporal, hull, 3)
    temporal = np.maximum(temporal, 13 - aside)
    whole = smooth_min(upper, temporal, 2)
    wide = 0.3 + 0.7 * body.atrophy
    # Sylvian fissure, rising backwards, down to the insula.
    rise = (z + 3 + 0.45 * y) * 0.91 + 1.5 * np.sin(y / 9)
    sylvian = np.maximum(
        np.abs(rise) - 0.5 - wide * (1 + np.clip((aside - 52) / 12, 0, 1)),
        np.maximum(37 - aside, np.abs(y + 2) - 34),
    )
    # Between the hemispheres down to the corpus callosum, and all the way before and behind it.
    callosum = ball(x, y, z, (0, -4, 4), (40, 39, 22.5))
    between = np.maximum(aside - 0.7 - 0.5 * wide, -callosum)
    fluid = np.minimum(sylvian, between)
    depth = np.minimum(-whole, fluid)
    sheets, deep = _sulci(canvas, body, box, random)
    flare = wide * (0.55 + 0.9 * np.clip(1 - depth / 8, 0, 1))
    sulcus = np.maximum(sheets - flare, depth - deep)
    sulcus = np.maximum(sulcus, 3 - callosum)  # none in the core
    insula = np.maximum(aside - 40, np.abs(y + 2) - 30)
    sulcus = np.maximum(sulcus, np.where(np.abs(rise) < 14, -insula, -99))
    clear = np.minimum(depth, sulcus)
    ribbon = clear - body.cortex
    stem = np.maximum(aside - 15, np.maximum(np.abs(y + 8) - 16, z - 2))
    core = np.maximum(np.maximum(callosum, aside - 9), 12 - z)
    canvas.paint(BrainLabel.WHITE_MATTER, whole, box)
    canvas.paint(BrainLabel.GREY_MATTER, np.maximum(np.maximum(ribbon, whole), np.maximum(-stem, -core)), box)
    canvas.paint(BrainLabel.CSF, np.maximum(np.maximum(clear, whole - 0.2), np.maximum(-stem, -core)), box)


def _paint_nuclei(canvas: Canvas, side: int) -> None:
    x, y, z = side * canvas.x, canvas.y, canvas.z

    def place(label: BrainLabel, low: tuple[float, ...], high: tuple[float, ...], *parts: Any) -> None:
        ends = sorted((side * low[0], side * high[0]))
        box = canvas.box((ends[0], low[1], low[2]), (ends[1], high[1], high[2]), 3)
        shape = np.minimum.reduce([ball(x[box], y[box], z[box], c, r) for c, r in parts])
        canvas.paint(label, shape, box)

    place(
        BrainLabel.PUTAMEN,
        (18, -16, -12),
        (34, 28, 18),
        ((26.5, 5, 3), (5.5, 17, 9.5)),
        ((24, 14, 2), (6, 8, 9)),
    )
    place(BrainLabel.PALLIDUM, (12, -12, -10), (26, 14, 12), ((20, 0, 1), (4.5, 9.5, 6)))
    place(
        BrainLabel.THALAMUS,
        (0, -32, -6),
        (24, 8, 18),
        ((10.5, -13, 7), (8, 14, 8.5)),
        ((14, -20, 7), (7, 8, 7)),
    )
    cloud = rope(np.array(_CAUDATE) * [side, 1, 1, 1], 2.0)
    box = cloud.box(canvas, 4)
    canvas.paint(BrainLabel.CAUDATE, cloud.distance(canvas, box, 5), box)


def _paint_ventricle(canvas: Canvas, body: Head, side: int, random: np.random.Generator) -> None:
    grow = (0.75 + 0.85 * body.atrophy) * float(random.normal(1, 0.06))
    horns = []
    for points, part in ((_VENTRICLE, 1.0), (_TEMPORAL_HORN, 0.9), (_OCCIPITAL_HORN, 0.9)):
        p = np.array(points, float) * [side, 1, 1, grow * part]
        p[:, 0] += side * 1.5 * (grow - 1) * 3
        horns.append(rope(p, 2.0))
    cloud: Cloud = horns[0] + horns[1] + horns[2]
    box = cloud.box(canvas, 4)
    shape = np.maximum(cloud.distance(canvas, box, 5), 0.9 - side * canvas.x[box])  # the septum
    canvas.paint(BrainLabel.VENTRICLE, shape, box)


def _paint_cerebellum(
    canvas: Canvas, body: Head, hull: np.ndarray, box: Box, random: np.random.Generator
) -> None:
    x, y, z = (axis[box] for axis in (canvas.x, canvas.y, canvas.z))
    aside = np.abs(x)
    halves = smooth_min(
        ball(aside, y, z, (25, -51, -35), (31, 32, 24)), ball(x, y, z, (0, -54, -30), (14, 28, 24)), 6
    )
    peak = 8 * np.clip(1 - aside / 34, 0, 1) * ramp(y, [(-80, 0.4), (-60, 1), (-32, 1), (-18, 0)])
    tent = z - ramp(y, _TENT) - peak + 2.2
    whole = smooth_max(smooth_max(halves, hull + 0.5, 3), tent, 3)
    # Folia run from side to side, stacked round the core.
    stack = np.hypot(y + 36, z + 34) * 0.35 + np.arctan2(z + 34, -(y + 36)) * 22
    phase = stack / 6.5 + 0.12 * aside / 6.5 + float(random.uniform(0, 1))
    leaf = np.abs(phase - np.round(phase)) * 6.5
    groove = np.maximum(leaf - 0.25 - 0.5 * body.atrophy, -whole - 9)
    canvas.paint(BrainLabel.CEREBELLAR_CORTEX, whole, box)
    white = np.minimum(whole + 11, np.maximum(whole + 3, 1.9 - leaf))
    canvas.paint(BrainLabel.CEREBELLAR_WHITE, white, box)
    canvas.paint(BrainLabel.CSF, np.maximum(groove, whole), box)


def _paint_stem(canvas: Canvas) -> None:
    stem = [(0, -14, -4, 11), (0, -16, -14, 13), (0, -15, -26, 14.5), (0, -17, -38, 12.5)]
    stem += [(0, -22, -50, 8.5), (0, -28, -66, 6.5), (0, -33, -90, 5.5), (0, -36, -130, 5.5)]
    cloud = rope(stem, 2.5)
    box = cloud.box(canvas, 4)
    shape = cloud.distance(canvas, box, 6)
    x, y, z = (axis[box] for axis in (canvas.x, canvas.y, canvas.z))
    belly = ball(x, y, z, (0, -8, -28), (15, 10, 13))  # pons
    arms = np.maximum(np.hypot((y + 26) / 1.1, z + 28) - 7, np.abs(x) - 22)
    legs = np.hypot(np.abs(x) - 10 - 0.5 * (z + 12), (y + 6)) - 6.5
    legs = np.maximum(legs, np.abs(z + 8) - 9)
    shape = smooth_min(smooth_min(shape, belly, 5), np.minimum(arms, legs), 4)
    canvas.paint(BrainLabel.BRAIN_STEM, shape, box)
    fourth = ball(x, y, z, (0, -31, -32), (6.5, 4.0, 11))
    canvas.paint(BrainLabel.VENTRICLE, fourth, box)
    canvas.paint(
        BrainLabel.VENTRICLE, np.maximum(np.hypot(x, y + 24 + 0.2 * z) - 1.3, np.abs(z + 14) - 10), box
    )


def _paint_dura(canvas: Canvas, inner: np.ndarray, box: Box) -> None:
    """Falx between the hemispheres with the great sinus along its upper edge."""
    x, y, z = (axis[box] for axis in (canvas.x, canvas.y, canvas.z))
    free = np.isin(canvas.label[box], (BrainLabel.CSF, BrainLabel.DURA))
    callosum = ball(x, y, z, (0, -4, 4), (40, 45, 30))
    falx = np.maximum(np.maximum(np.abs(x) - 0.6, inner[box]), np.maximum(-callosum, -14 - z))
    canvas.paint(BrainLabel.DURA, falx, box, only=free)
    sinus = np.hypot(x / 1.1, inner[box] + 3) - 4
    sinus = np.maximum(sinus, np.maximum(inner[box] + 0.4, np.where((y < 70) & (z > -10), -1.0, 9.0)))
    canvas.paint(BrainLabel.BLOOD, sinus, box)
