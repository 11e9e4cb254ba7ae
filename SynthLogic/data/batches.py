"""Batches for translation: patches of two domains.

A batch is a dictionary of float32 tensors (N, C, J, I) or, for subvolumes, (N, C, K, J, I) in [-1, 1]:
``a_input``, ``a_target``, ``b_input``, ``b_target``. The first channels are the slices, the middle one that
which is meant; the rest are masks, 1 inside and -1 outside. With label groups there are also ``a_labels`` and
``b_labels`` (N, groups, ..), one-hot, all 0 where a volume has no label map. Inputs are corrupted (see
``corruption``), targets are clean: a source's reference where it has one, else the image itself. Generators
read inputs; discriminators and losses see targets only.
"""

from __future__ import annotations

import numpy as np
import torch

from SynthLogic.data.config import DataConfig
from SynthLogic.data.corruption import corrupt, draw
from SynthLogic.data.library import Library, Stack
from SynthLogic.data.patches import Placement, blank, cut, cut_labels, draw_placement, draw_stack
from SynthLogic.data.stream import TRAINING, Batch, Stream
from SynthLogic.data.subvolumes import CubePlacement, cut_cube, cut_cube_labels, draw_cube
from SynthLogic.errors import ConfigError


class Batches(Stream):
    """See the module's text and ``Stream``.

    Args:
        config: domains and sampling.
        a: volumes of the first domain.
        b: volumes of the second domain.
        size: samples in a batch.
        seed: of the run.
        start: number of the first batch.
    """

    def __init__(
        self, config: DataConfig, a: Library, b: Library, *, size: int, seed: int, start: int = 0
    ) -> None:
        super().__init__(size, seed, start)
        self.config, self.a, self.b = config, a, b
        self.pairs = _pairs(a, b) if config.paired else []

    def batch_of(self, indices: range, stream: int = TRAINING) -> Batch:
        """The samples with these numbers."""
        samples = [self.sample(index, stream) for index in indices]
        return {key: torch.from_numpy(np.stack([s[key] for s in samples])) for key in samples[0]}

    def sample(self, index: int, stream: int = TRAINING) -> dict[str, np.ndarray]:
        """Sample ``index``: float32 arrays (C, *spatial) in [-1, 1]."""
        rng = np.random.default_rng([self.seed, stream, index])
        place = draw_cube if self.config.sampling.spatial_dims == 3 else draw_placement
        sampling = self.config.sampling
        if self.config.paired:
            stack_a, stack_b = self.pairs[int(rng.integers(len(self.pairs)))]
            placement_a = placement_b = place(stack_a, sampling, rng)
        else:
            stack_a, stack_b = draw_stack(self.a, rng), draw_stack(self.b, rng)
            placement_a, placement_b = (place(stack, sampling, rng) for stack in (stack_a, stack_b))
        result: dict[str, np.ndarray] = {}
        for letter, domain, stack, placement in (
            ("a", self.config.a, stack_a, placement_a),
            ("b", self.config.b, stack_b, placement_b),
        ):
            image, target = self._cut(stack, placement)
            dirty = corrupt(image, domain.corruptions, draw(domain.corruptions, rng))
            target = target.clip(-1, 1)
            if isinstance(placement, Placement):
                # A scanner leaves no noise outside its field of view, so that comes last.
                dirty, target = blank(dirty, placement), blank(target, placement)
            labels = self._labels(stack, placement)
            masks = 2 * _channels(labels, tuple(self.config.masks.values()), sampling.shape) - 1
            result[f"{letter}_input"] = np.concatenate([dirty, masks])
            result[f"{letter}_target"] = np.concatenate([target, masks])
            if groups := self.config.label_groups:
                result[f"{letter}_labels"] = _channels(labels, groups, sampling.shape)
        return result

    def _cut(self, stack: Stack, placement: Placement | CubePlacement) -> tuple[np.ndarray, np.ndarray]:
        sampling = self.config.sampling
        if isinstance(placement, CubePlacement):
            return cut_cube(stack, placement, sampling.patch)
        return cut(stack, placement, sampling.patch, sampling.neighbours)

    def _labels(self, stack: Stack, placement: Placement | CubePlacement) -> np.ndarray | None:
        patch = self.config.sampling.patch
        if not self.config.wants_labels:
            return None
        if isinstance(placement, CubePlacement):
            return cut_cube_labels(stack, placement, patch)
        return cut_labels(stack, placement, patch)


def _channels(
    labels: np.ndarray | None, groups: tuple[tuple[int, ...], ...], shape: tuple[int, ...]
) -> np.ndarray:
    """(groups, *shape) float32: 1 where a label is of the group, 0 elsewhere, and where there are none."""
    if labels is None:
        return np.zeros((len(groups), *shape), np.float32)
    table = np.zeros((len(groups), 256), np.float32)
    for number, group in enumerate(groups):
        table[number, list(group)] = 1
    return table[:, labels]


def _pairs(a: Library, b: Library) -> list[tuple[Stack, Stack]]:
    partners = {stack.pair: stack for stack in b.stacks}
    pairs = [(stack, partners[stack.pair]) for stack in a.stacks if stack.pair in partners]
    if not pairs:
        raise ConfigError("No subject has both images in one folder; paired training needs such a cohort.")
    for one, other in pairs:
        if one.image.shape != other.image.shape or not np.allclose(one.spacing, other.spacing, rtol=1e-4):
            raise ConfigError("A subject's two images are not on one grid; paired training needs one.")
    return pairs
