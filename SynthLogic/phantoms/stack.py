"""Where a radiographer puts the slices of a short-axis stack, and the canvas that lies on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from SynthLogic.phantoms.canvas import Canvas, smooth_noise
from SynthLogic.phantoms.chambers import Moment
from SynthLogic.phantoms.thorax import Thorax
from SynthLogic.phantoms.vendors import VENDORS

PARTS = 3  # sub-slices that make a slice: odd, so that one lies in its middle


@dataclass(frozen=True)
class Stack:
    """Where the slices lie. ``ijk_to_patient`` maps (i, j, k, 1) to patient mm; ``shape`` is (K, J, I),
    ``spacing`` (I, J, K) and ``thickness`` in mm; ``breath`` (K, 2) moves each slice along I and J (mm)."""

    ijk_to_patient: np.ndarray
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    thickness: float
    breath: np.ndarray


def plan_stack(random: np.random.Generator, moment: Moment, vendor: str) -> Stack:
    """Plan the slices across the long axis, as a radiographer would: from above the base to past the apex."""
    maker = VENDORS[vendor]
    thickness = float(random.choice(maker.thickness))
    step = min(thickness + float(random.choice(maker.gap)), 10.0)
    above, past = random.uniform(0.7, 1.9), random.uniform(0.15, 1.0)
    long = moment.ventricles.outer_long
    count = int(np.ceil((long + (above + past) * step) / step))
    if not 8 <= count <= 13:
        count = int(np.clip(count, 8, 13))
        step = float(np.clip(round((long + (above + past) * step) / count, 1), 6, 10))
    thickness = min(thickness, step)
    frame = moment.frame
    lean = np.tan(np.deg2rad(random.normal(0, 3, 2)))
    normal = -frame[2] + lean[0] * frame[0] + lean[1] * frame[1]  # apex to base
    normal /= np.linalg.norm(normal)
    i = np.array([-1.0, 0, 0]) + normal[0] * normal
    i /= np.linalg.norm(i)
    j = np.cross(normal, i)
    turn = np.deg2rad(random.normal(0, 14) + 90 * random.choice([0, 0, 0, 0, 0, 0, 1, -1]))
    i, j = np.cos(turn) * i + np.sin(turn) * j, np.cos(turn) * j - np.sin(turn) * i
    columns, rows = maker.pixels[int(random.integers(len(maker.pixels)))]
    pixel = round(float(random.uniform(1.25, 1.6)), 4)
    septal, inferior = random.normal((9, 0), (6, 6))
    centre = moment.place(septal, inferior, long / 2)
    centre = centre + i * random.normal(0, 12) + j * random.normal(6, 10)
    apex = moment.place(0, 0, long)
    first = (apex - centre) @ normal - past * step
    heights = first + step * np.arange(count)
    if random.random() < maker.base_first:
        heights, normal = -heights[::-1], -normal
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([i * pixel, j * pixel, normal * step], axis=1)
    matrix[:3, 3] = centre - i * pixel * (columns - 1) / 2 - j * pixel * (rows - 1) / 2 + normal * heights[0]
    breath = np.clip(random.normal(0, 0.5, (count, 2)), -1.2, 1.2)
    return Stack(matrix, (count, rows, columns), (pixel, pixel, step), thickness, breath)


def pose_stack(stack: Stack, body: Thorax, random: np.random.Generator) -> Canvas:
    """A canvas of all sub-slices, (K x PARTS, J, I), with the form of this body's own noise in it."""
    count, rows, columns = stack.shape
    part = np.tile(np.arange(PARTS) - PARTS // 2, count) / PARTS * stack.thickness / stack.spacing[2]
    k = np.repeat(np.arange(count), PARTS) + part
    move = np.repeat(stack.breath, PARTS, axis=0) / stack.spacing[0]
    k_part = k[:, None, None]
    i = np.arange(columns)[None, None, :] + move[:, 0, None, None]
    j = np.arange(rows)[None, :, None] + move[:, 1, None, None]
    fine = (stack.spacing[0], stack.spacing[1], stack.spacing[2] / PARTS)
    shape = (count * PARTS, rows, columns)
    amount = 2.0 * body.size
    m = stack.ijk_to_patient
    x, y, z = (
        (m[n, 0] * i + (m[n, 1] * j + (m[n, 2] * k_part + m[n, 3]))).astype(np.float32)
        + np.float32(amount) * smooth_noise(shape, 55, fine, random)
        for n in range(3)
    )
    to_index = np.linalg.inv(m)
    to_index[2] *= PARTS
    to_index[2, 3] += PARTS // 2
    gap = stack.spacing[2] - stack.thickness
    return Canvas(x, y, z, to_index=to_index, edge=stack.spacing[0], slack=4 * amount + gap + 1.2)
