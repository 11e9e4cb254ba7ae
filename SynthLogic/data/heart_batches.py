"""Batches of slices of hearts.

A batch is a dictionary of tensors, float32 unless said: ``labels`` (N, 4, J, I) one-hot, background first;
``height`` (N,), 0 at the apex and 1 at the base; ``complete`` (N, 4) bool, true for labels that are there
wherever their structure is. With images also ``image`` (N, 1, J, I) in [-1, 1]; ``other`` and
``other_labels``, another slice of the same stack, changed likewise; and ``style`` (N,), an index, int64.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from SynthLogic.data.heart_augmentation import Change, draw_change, move_image, move_labels, where
from SynthLogic.data.heart_config import HeartDataConfig
from SynthLogic.data.heart_library import HeartLibrary, HeartStack
from SynthLogic.data.stream import TRAINING, Batch, Stream
from SynthLogic.hearts.labels import HeartLabel


class HeartBatches(Stream):
    """See the module's text and ``Stream``.

    Args:
        config: how slices are drawn.
        library: the hearts.
        images: whether batches have images.
        size: samples in a batch.
        seed: of the run.
        start: number of the first batch.
    """

    def __init__(
        self,
        config: HeartDataConfig,
        library: HeartLibrary,
        *,
        images: bool,
        size: int,
        seed: int,
        start: int = 0,
    ) -> None:
        super().__init__(size, seed, start)
        self.config, self.library, self.images = config, library, images
        self.groups = [library.of_source(index) for index in range(len(library.weights))]

    def batch_of(self, indices: range, stream: int = TRAINING) -> Batch:
        """The samples with these numbers, cut together."""
        drawn = [self._draw(index, stream) for index in indices]
        stacks = [stack for stack, _, _, _ in drawn]
        changes = [change for _, _, _, change in drawn]
        grid = where(changes, self.config)
        slices = [k for _, k, _, _ in drawn]
        complete = torch.tensor([s.complete for s in stacks])
        for known, change in zip(complete, changes, strict=True):
            known[list(change.dropped)] = False
        batch = {
            "labels": move_labels(_labels(stacks, slices), grid, changes),
            "height": torch.tensor([float(s.heights[k]) for s, k in zip(stacks, slices, strict=True)]),
            "complete": complete,
        }
        if self.images:
            others = [other for _, _, other, _ in drawn]
            batch["image"] = move_image(_images(stacks, slices), grid, changes)
            batch["other"] = move_image(_images(stacks, others), grid, changes)
            batch["other_labels"] = move_labels(_labels(stacks, others), grid, changes)
            batch["style"] = torch.tensor([s.style for s in stacks])
        return batch

    def _draw(self, index: int, stream: int) -> tuple[HeartStack, int, int, Change]:
        """A stack, one of its slices, another one, and what happens to both."""
        rng = np.random.default_rng([self.seed, stream, index])
        group = self.groups[int(rng.choice(len(self.groups), p=self.library.weights))]
        stack = group[int(rng.integers(len(group)))]
        one, other = rng.choice(stack.slices, 2).tolist()
        return stack, one, other, draw_change(self.config.augmentation, rng)


def _labels(stacks: list[HeartStack], slices: list[int]) -> Tensor:
    values = np.stack([stack.labels[k] for stack, k in zip(stacks, slices, strict=True)])
    one_hot = values[:, None] == np.arange(len(HeartLabel), dtype=np.uint8)[:, None, None]
    return torch.from_numpy(one_hot.astype(np.float32))


def _images(stacks: list[HeartStack], slices: list[int]) -> Tensor:
    found = []
    for stack, k in zip(stacks, slices, strict=True):
        assert stack.image is not None
        found.append(stack.image[k])
    return torch.from_numpy(np.stack(found).astype(np.float32))[:, None]
