"""Images with label maps, for networks that find structures.

A batch is a dictionary of float32 tensors: ``image`` (N, C, *spatial) in [-1, 1], the slices of the image and
then those of the second one; ``labels`` (N, structures + 1, *spatial) one-hot, background first.
"""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field, model_validator

from SynthLogic.data.batches import pairs_of
from SynthLogic.data.config import DataConfig, DomainConfig, FilesConfig, SamplingConfig, SourceConfig
from SynthLogic.data.corruption import corrupt, draw
from SynthLogic.data.cutting import blanked, channels_of, cut_images, cut_values, draw_place
from SynthLogic.data.library import Library
from SynthLogic.data.patches import draw_stack
from SynthLogic.data.stream import TRAINING, Batch, Stream


class SegmentationDataConfig(FilesConfig):
    """Images, the structures that their label maps name, and how patches are drawn.

    Attributes:
        image: what is looked at; every source has label maps. Corruptions are its augmentation.
        second: another image of the same subjects on the same grids, as a further channel; null for none.
        structures: label values of each structure by its name; other values are background. The network's
            labels are 1, 2, .. in this order.
        sampling: how patches are drawn.
    """

    image: DomainConfig
    second: DomainConfig | None = None
    structures: dict[str, tuple[int, ...]] = Field(min_length=1)
    sampling: SamplingConfig = SamplingConfig()

    def all_sources(self) -> tuple[SourceConfig, ...]:
        """Those of both images."""
        return (*self.image.sources, *(self.second.sources if self.second else ()))

    def as_domains(self) -> DataConfig:
        """The same as two domains, which is how files are read."""
        shared = {key: getattr(self, key) for key in FilesConfig.model_fields}
        return DataConfig(
            **shared,
            a=self.image,
            b=self.second or self.image,
            paired=self.second is not None,
            label_groups=((0,), *self.structures.values()),
            sampling=self.sampling,
        )

    @model_validator(mode="after")
    def _labels_make_sense(self) -> SegmentationDataConfig:
        values = [value for group in self.structures.values() for value in group]
        if len(set(values)) != len(values) or any(not 1 <= value <= 255 for value in values):
            raise ValueError("structures must name each label once, from 1 to 255")
        if self.second is not None and self.sampling.neighbours:
            raise ValueError("neighbours and a second image exclude each other; set neighbours to 0")
        if any(not group for group in self.structures.values()):
            raise ValueError("a structure names no label")
        for source in self.image.sources:
            if not (source.labels or source.table):
                raise ValueError(f"source {source.name!r} has no 'labels'")
        return self


class SegmentationBatches(Stream):
    """See the module's text and ``Stream``.

    Args:
        config: the data.
        image: volumes with label maps.
        second: those of the second image, or None.
        size: samples in a batch.
        seed: of the run.
        start: number of the first batch.
    """

    def __init__(
        self,
        config: SegmentationDataConfig,
        image: Library,
        second: Library | None,
        *,
        size: int,
        seed: int,
        start: int = 0,
    ) -> None:
        super().__init__(size, seed, start)
        self.config, self.library = config, image
        pairs = [] if second is None else pairs_of(image, second)
        self.partners = {id(one): other for one, other in pairs}

    def batch_of(self, indices: range, stream: int = TRAINING) -> Batch:
        """The samples with these numbers."""
        samples = [self.sample(index, stream) for index in indices]
        return {key: torch.from_numpy(np.stack([s[key] for s in samples])) for key in samples[0]}

    def sample(self, index: int, stream: int = TRAINING) -> dict[str, np.ndarray]:
        """Sample ``index``: "image" and "labels"."""
        rng = np.random.default_rng([self.seed, stream, index])
        config, sampling = self.config, self.config.sampling
        stack = draw_stack(self.library, rng)
        place = draw_place(stack, sampling, rng)
        images = []
        for one, domain in ((stack, config.image), (self.partners.get(id(stack)), config.second)):
            if one is not None and domain is not None:
                image, _ = cut_images(one, place, sampling)
                dirty = corrupt(image, domain.corruptions, draw(domain.corruptions, rng))
                images.append(blanked(dirty, place))
        found = channels_of(cut_values(stack, place, sampling), tuple(config.structures.values()), sampling)
        background = 1 - found.max(0, keepdims=True)
        return {"image": np.concatenate(images), "labels": np.concatenate([background, found])}
