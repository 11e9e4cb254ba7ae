"""An endless stream of batches in which every sample is a pure function of (seed, index)."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterator

from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

Batch = dict[str, Tensor]
# Streams of random numbers that never meet: what is trained on, and the fixed samples of the pictures.
TRAINING, PICTURES = 0, 1


class Stream(IterableDataset[Batch]):
    """Batches from ``start`` on; batch n holds the samples n * size to (n + 1) * size - 1.

    With several loader workers, worker w of W makes the batches start + w, start + w + W, ..: their order
    does not depend on W.

    Args:
        size: samples in a batch.
        seed: of the run.
        start: number of the first batch.
    """

    def __init__(self, size: int, seed: int, start: int = 0) -> None:
        super().__init__()
        self.size, self.seed, self.start = size, seed, start

    @abstractmethod
    def batch_of(self, indices: range, stream: int = TRAINING) -> Batch:
        """The samples with these numbers."""

    def starting_at(self, start: int) -> Stream:
        """The same stream from another batch on."""
        other = copy.copy(self)
        other.start = start
        return other

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        number = self.start + (worker.id if worker else 0)
        while True:
            yield self.batch(number)
            number += worker.num_workers if worker else 1

    def batch(self, number: int) -> Batch:
        """Batch ``number`` of the stream."""
        return self.batch_of(range(number * self.size, (number + 1) * self.size))

    def pictures(self, count: int) -> Batch:
        """A fixed batch to look at while training goes on."""
        return self.batch_of(range(count), PICTURES)
