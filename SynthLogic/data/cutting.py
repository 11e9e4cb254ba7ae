"""One patch or cube of a volume, its clean twin and its labels, whatever the dimensions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from SynthLogic.data.config import SamplingConfig
from SynthLogic.data.library import Stack
from SynthLogic.data.patches import Placement, blank, cut, cut_labels, draw_placement
from SynthLogic.data.subvolumes import CubePlacement, cut_cube, cut_cube_labels, draw_cube

Place = Placement | CubePlacement


def draw_place(stack: Stack, sampling: SamplingConfig, rng: np.random.Generator) -> Place:
    """Draw where a sample lies."""
    if sampling.spatial_dims == 3:
        return draw_cube(stack, sampling, rng)
    return draw_placement(stack, sampling, rng)


def cut_images(stack: Stack, place: Place, sampling: SamplingConfig) -> tuple[np.ndarray, np.ndarray]:
    """Image and clean target, each (slices, *spatial) float32 in [-1, 1]."""
    if isinstance(place, CubePlacement):
        return cut_cube(stack, place, sampling.patch)
    return cut(stack, place, sampling.patch, sampling.neighbours)


def cut_values(stack: Stack, place: Place, sampling: SamplingConfig) -> np.ndarray | None:
    """Label values (*spatial) uint8 of the middle slice, or None where the volume has no label map."""
    if isinstance(place, CubePlacement):
        return cut_cube_labels(stack, place, sampling.patch)
    return cut_labels(stack, place, sampling.patch)


def blanked(image: np.ndarray, place: Place) -> np.ndarray:
    """The image with background outside a small field of view, in place."""
    return image if isinstance(place, CubePlacement) else blank(image, place)


def channels_of(
    values: np.ndarray | None, groups: Sequence[Sequence[int]], sampling: SamplingConfig
) -> np.ndarray:
    """(groups, *spatial) float32: 1 where a label is of the group, 0 elsewhere, and where there are none."""
    if values is None:
        return np.zeros((len(groups), *sampling.shape), np.float32)
    table = np.zeros((len(groups), 256), np.float32)
    for number, group in enumerate(groups):
        table[number, list(group)] = 1
    return table[:, values]
