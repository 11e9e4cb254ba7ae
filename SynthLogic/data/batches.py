"""Batches for translation: patches of two domains.

A batch is a dictionary of float32 tensors (N, C, J, I) or, for subvolumes, (N, C, K, J, I) in [-1, 1]:
``a_input``, ``a_target``, ``b_input``, ``b_target``. The first channels are the slices, the middle one that
which is meant; the rest are masks, 0.9 inside and -0.9 outside. With label groups there are ``a_labels`` and
``b_labels`` (N, groups, ..), one-hot, all 0 where a volume has no label map. Inputs are corrupted (see
``corruption``), targets are clean: a source's reference where it has one, else the image itself. Generators
read inputs; discriminators and losses see targets only.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import torch

from SynthLogic.data.config import DataConfig
from SynthLogic.data.corruption import corrupt, draw
from SynthLogic.data.cutting import blanked, channels_of, cut_images, cut_values, draw_place
from SynthLogic.data.library import Library, Stack
from SynthLogic.data.patches import draw_stack
from SynthLogic.data.stream import TRAINING, Batch, Stream
from SynthLogic.errors import ConfigError
from SynthLogic.intensity import mask_values


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
        self.pairs = pairs_of(a, b) if config.paired else []

    def batch_of(self, indices: range, stream: int = TRAINING) -> Batch:
        """The samples with these numbers."""
        samples = [self.sample(index, stream) for index in indices]
        return {key: torch.from_numpy(np.stack([s[key] for s in samples])) for key in samples[0]}

    def sample(self, index: int, stream: int = TRAINING) -> dict[str, np.ndarray]:
        """Sample ``index``: float32 arrays (C, *spatial) in [-1, 1]."""
        rng = np.random.default_rng([self.seed, stream, index])
        sampling, groups = self.config.sampling, self.config.label_groups
        if self.config.paired:
            stack_a, stack_b = self.pairs[int(rng.integers(len(self.pairs)))]
            placement_a = placement_b = draw_place(stack_a, sampling, rng)
        else:
            stack_a, stack_b = draw_stack(self.a, rng), draw_stack(self.b, rng)
            placement_a, placement_b = (draw_place(stack, sampling, rng) for stack in (stack_a, stack_b))
        result: dict[str, np.ndarray] = {}
        for letter, domain, stack, placement in (
            ("a", self.config.a, stack_a, placement_a),
            ("b", self.config.b, stack_b, placement_b),
        ):
            image, target = cut_images(stack, placement, sampling)
            dirty = corrupt(image, domain.corruptions, draw(domain.corruptions, rng))
            labels = cut_values(stack, placement, sampling) if self.config.wants_labels else None
            masks = mask_values(channels_of(labels, tuple(self.config.masks.values()), sampling))
            # A scanner leaves no noise outside its field of view, so that comes last.
            result[f"{letter}_input"] = np.concatenate([blanked(dirty, placement), masks])
            result[f"{letter}_target"] = np.concatenate([blanked(target.clip(-1, 1), placement), masks])
            if groups:
                result[f"{letter}_labels"] = channels_of(labels, groups, sampling)
        return result


def pairs_of(a: Library, b: Library) -> list[tuple[Stack, Stack]]:
    """Stacks of the same subject on the same grid.

    Raises:
        ConfigError: there are none, one has two volumes in a domain, or their grids differ.
    """
    for domain in (a, b):
        counts = Counter(stack.pair for stack in domain.stacks)
        twice = next((pair for pair, count in counts.items() if count > 1), None)
        if twice is not None:
            raise ConfigError(
                f"Subject {Path(twice).name!r} has two volumes in one domain, so pairs are not clear; name "
                "visits apart by 'subject' or a table."
            )
    partners = {stack.pair: stack for stack in b.stacks}
    pairs = [(stack, partners[stack.pair]) for stack in a.stacks if stack.pair in partners]
    if not pairs:
        raise ConfigError("No subject has both images in one folder; paired training needs such a cohort.")
    for one, other in pairs:
        if one.image.shape != other.image.shape or not np.allclose(one.spacing, other.spacing, rtol=1e-4):
            raise ConfigError("A subject's two images are not on one grid; paired training needs one.")
    return pairs
