"""Lesions of a simulated brain: a tumour with oedema and a dead core, or the wedge of an arterial stroke."""

from __future__ import annotations

from typing import Any

import numpy as np

from SynthLogic.phantoms.brain_tissues import BrainLabel
from SynthLogic.phantoms.canvas import Box, Canvas, smooth_noise
from SynthLogic.phantoms.head import ball

LESIONS = ("none", "tumour", "stroke")
_BRAIN = (BrainLabel.GREY_MATTER, BrainLabel.WHITE_MATTER, BrainLabel.PUTAMEN, BrainLabel.CAUDATE,
          BrainLabel.PALLIDUM, BrainLabel.THALAMUS)  # fmt: skip


def paint_lesion(canvas: Canvas, kind: str, random: np.random.Generator) -> dict[str, Any]:
    """Paint a lesion of ``kind`` (one of ``LESIONS``) at a place that is drawn; returns what was drawn."""
    if kind == "tumour":
        return _paint_tumour(canvas, random)
    if kind == "stroke":
        return _paint_stroke(canvas, random)
    return {}


def _ragged(canvas: Canvas, box: Box, scale: float, random: np.random.Generator) -> np.ndarray:
    shape = canvas.x[box].shape
    return smooth_noise(shape, scale, canvas.spacing, random)


def _paint_tumour(canvas: Canvas, random: np.random.Generator) -> dict[str, Any]:
    side = int(random.choice([-1, 1]))
    centre = np.array([side * random.uniform(26, 40), random.uniform(-45, 35), random.uniform(8, 42)])
    radius = float(random.uniform(9, 19))
    spread = float(random.uniform(5, 14))
    box = canvas.box(centre - radius - spread - 8, centre + radius + spread + 8)
    x, y, z = (axis[box] for axis in (canvas.x, canvas.y, canvas.z))
    mass = ball(x, y, z, tuple(centre), tuple(radius * random.uniform(0.85, 1.15, 3)))
    mass = mass + 1.8 * _ragged(canvas, box, 14, random)
    white = canvas.label[box] == BrainLabel.WHITE_MATTER
    brain = np.isin(canvas.label[box], _BRAIN)
    halo = mass - spread + 4.0 * _ragged(canvas, box, 18, random)
    canvas.paint(BrainLabel.OEDEMA, halo, box, only=white)  # runs along the white matter, spares the cortex
    canvas.paint(
        BrainLabel.TUMOUR, mass, box, only=brain | (mass < -2) & (canvas.label[box] == BrainLabel.CSF)
    )
    core = mass + 0.38 * radius + 1.2 * _ragged(canvas, box, 10, random)
    canvas.paint(BrainLabel.NECROSIS, core, box, only=canvas.label[box] == BrainLabel.TUMOUR)
    return {"side": side, "centre": centre.tolist(), "radius": radius, "oedema": spread}


def _paint_stroke(canvas: Canvas, random: np.random.Generator) -> dict[str, Any]:
    """Territory of a branch: a cone that opens from near the insula to the convexity."""
    side = int(random.choice([-1, 1]))
    tip = np.array([side * random.uniform(20, 27), random.uniform(-25, 12), random.uniform(2, 16)])
    way = np.array([side * 1.0, random.uniform(-0.7, 0.5), random.uniform(-0.1, 0.75)])
    way /= np.linalg.norm(way)
    half = float(np.deg2rad(random.uniform(20, 34)))
    end = tip + 62 * way
    box = canvas.box(np.minimum(tip, end) - 30, np.maximum(tip, end) + 30)
    u, v, w = canvas.local(tip, None, box)
    along = u * way[0] + v * way[1] + w * way[2]
    away = np.sqrt(np.maximum(u * u + v * v + w * w - along**2, 0))
    wedge = away * np.cos(half) - along * np.sin(half) + 2.0 * _ragged(canvas, box, 12, random)
    brain = np.isin(canvas.label[box], _BRAIN) & (side * canvas.x[box] > 3)
    canvas.paint(BrainLabel.STROKE, wedge, box, only=brain)
    return {"side": side, "tip": tip.tolist(), "way": way.tolist(), "half_angle": float(np.rad2deg(half))}
