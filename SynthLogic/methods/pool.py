"""Pool of generated images (Shrivastava et al. 2017, section 2.3; CycleGAN keeps 50)."""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import Tensor


class ImagePool:
    """Shows a discriminator older fakes half of the time, so that it does not forget them.

    Args:
        size: images remembered; 0 passes every image through.
        seed: of the pool's own random numbers.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.images: list[Tensor] = []
        self.random = random.Random(seed)

    def exchange(self, fakes: Tensor) -> Tensor:
        """Give new fakes (N, C, *spatial), get as many back, each new or remembered with equal chance."""
        if self.size == 0:
            return fakes
        shown = []
        for fake in fakes.split(1):
            if len(self.images) < self.size:
                self.images.append(fake.clone())
                shown.append(fake)
            elif self.random.random() < 0.5:
                place = self.random.randrange(self.size)
                shown.append(self.images[place].to(fake.device))
                self.images[place] = fake.clone()
            else:
                shown.append(fake)
        return torch.cat(shown)

    def state(self) -> dict[str, Any]:
        """Everything needed to go on, as plain data and tensors."""
        return {"images": list(self.images), "random": self.random.getstate()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state``."""
        version, internal, gauss = state["random"]
        self.random.setstate((version, tuple(internal), gauss))
        self.images = list(state["images"])
