"""One geometric change of many slices at once, for one-hot labels and images alike."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from SynthLogic.data.heart_config import STRUCTURE_NAMES, HeartAugmentation, HeartDataConfig, label_of

# Smooth displacements are cubic between this many points along a side.
_KNOTS = 5


@dataclass(frozen=True)
class Change:
    """What happens to one slice.

    Attributes:
        angle: in radians.
        scale: factor of size.
        shift: (along i, along j) in mm.
        bend: (2, knots, knots) displacements in mm.
        dropped: labels that are taken away.
        gain: factor of brightness.
        gamma: exponent of brightness.
    """

    angle: float
    scale: float
    shift: tuple[float, float]
    bend: np.ndarray
    dropped: tuple[int, ...]
    gain: float
    gamma: float


def draw_change(settings: HeartAugmentation, rng: np.random.Generator) -> Change:
    """Draw all of it."""
    angle = math.radians(float(rng.uniform(-settings.rotation_deg, settings.rotation_deg)))
    x, y = rng.uniform(-settings.shift_mm, settings.shift_mm, 2).tolist()
    bend = rng.normal(0, 1, (2, _KNOTS, _KNOTS)) * settings.bend_mm
    scale, gain, gamma = (
        math.exp(rng.uniform(*np.log(bounds))) for bounds in (settings.scale, settings.gain, settings.gamma)
    )
    # Three draws whatever is configured, so that a chance of 0 changes no other number.
    chances = dict(zip(STRUCTURE_NAMES, rng.random(3), strict=True))
    dropped = tuple(int(label_of(name)) for name, chance in settings.drop.items() if chances[name] < chance)
    return Change(angle, scale, (x, y), bend.astype(np.float32), dropped, gain, gamma)


def where(changes: list[Change], config: HeartDataConfig) -> Tensor:
    """Sampling grid (N, size, size, 2) of ``grid_sample`` for slices with their margin."""
    half, whole = config.size / 2, config.size / 2 + config.margin
    at = (torch.arange(config.size, dtype=torch.float32) + 0.5) / half - 1
    rows, columns = torch.meshgrid(at, at, indexing="ij")
    grids = []
    for change in changes:
        turn = half / change.scale
        cosine, sine = math.cos(change.angle) * turn, math.sin(change.angle) * turn
        x = cosine * columns - sine * rows + change.shift[0] / config.pixel_mm
        y = sine * columns + cosine * rows + change.shift[1] / config.pixel_mm
        bend = torch.from_numpy(change.bend / config.pixel_mm)[None]
        smooth = functional.interpolate(bend, size=columns.shape, mode="bicubic", align_corners=True)[0]
        grids.append(torch.stack([x + smooth[0], y + smooth[1]], dim=-1) / whole)
    return torch.stack(grids)


def move_labels(one_hot: Tensor, grid: Tensor, changes: list[Change]) -> Tensor:
    """One-hot labels (N, labels, side, side) moved linearly and made one-hot again (N, labels, size, size).

    Outside lies background.
    """
    moved = functional.grid_sample(one_hot[:, 1:], grid, align_corners=False)
    # Background is what the others leave, so that beyond the slice it is 1. argmax takes ten times as long.
    most = 1 - moved.sum(1)
    best = torch.zeros_like(most)
    for label, share in enumerate(moved.unbind(1), 1):
        best.masked_fill_(share > most, label)
        most = torch.maximum(most, share)
    for labels, change in zip(best, changes, strict=True):
        for dropped in change.dropped:
            labels.masked_fill_(labels == dropped, 0)
    return (best[:, None] == torch.arange(one_hot.shape[1])[:, None, None]).float()


def move_image(image: Tensor, grid: Tensor, changes: list[Change]) -> Tensor:
    """Images (N, 1, side, side) in [-1, 1] moved linearly and changed in brightness (N, 1, size, size)."""
    moved = functional.grid_sample(image, grid, padding_mode="border", align_corners=False)
    gain, gamma = (
        torch.tensor([getattr(c, name) for c in changes]).reshape(-1, 1, 1, 1) for name in ("gain", "gamma")
    )
    unit = (moved / 2 + 0.5).clamp(0, 1)
    return (unit**gamma * gain).clamp(0, 1) * 2 - 1
