"""A small U-Net on short-axis slices, the yardstick of the heart benchmarks, and a classifier of vendors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from monai.networks.nets import UNet
from torch import Tensor, nn
from torch.nn import functional

from SynthLogic.errors import TrainingError
from SynthLogic.hearts import HeartLabel, dice
from SynthLogic.losses import label_cross_entropy, soft_dice_loss

LABELS = (HeartLabel.LV_CAVITY, HeartLabel.MYOCARDIUM, HeartLabel.RV_CAVITY)
_CLASSES, _BATCH = 4, 8
_RATE, _WARM_UP, _LARGEST_GRADIENT = 2e-3, 0.1, 1.0
Stack = np.ndarray


def grey(stack: Stack) -> Stack:
    """A stack (K, J, I) with its 0.5th to 99.5th percentile at -1 to 1, float32, clipped."""
    low, high = np.percentile(stack, (0.5, 99.5))
    return np.clip((stack - low) / max(high - low, 1e-6) * 2 - 1, -1, 1).astype(np.float32)


class Segmenter:
    """Trained on slices, in the order given; the same arguments give the same network.

    Args:
        images: stacks (K, 128, 128) in [-1, 1].
        labels: stacks of the same shapes.
        iterations: batches of 8 slices.
        seed: of weights and batches.
        augment: turn by up to 15 degrees, enlarge by 0.85 to 1.15, change gain and gamma, add noise.
        least_dice: on what it was trained on; less, and nothing measured with it would mean anything.

    Raises:
        TrainingError: ``least_dice`` was not reached.
    """

    def __init__(
        self,
        images: Sequence[Stack],
        labels: Sequence[Stack],
        *,
        iterations: int,
        seed: int,
        augment: bool,
        least_dice: float = 0,
    ) -> None:
        torch.manual_seed(seed)
        self.network = UNet(
            spatial_dims=2, in_channels=1, out_channels=_CLASSES, channels=(16, 32, 64, 96),
            strides=(2, 2, 2), num_res_units=2, norm="INSTANCE",
        )  # fmt: skip
        x = torch.from_numpy(np.concatenate(images))[:, None]
        y = functional.one_hot(torch.from_numpy(np.concatenate(labels)).long(), _CLASSES)
        y = y.movedim(-1, 1).float()
        optimiser = torch.optim.AdamW(self.network.parameters(), lr=_RATE, weight_decay=1e-4)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, _RATE, total_steps=iterations, pct_start=_WARM_UP
        )
        draw = torch.Generator().manual_seed(seed)
        for _ in range(iterations):
            chosen = torch.randint(len(x), (_BATCH,), generator=draw)
            image, truth = x[chosen], y[chosen]
            if augment:
                image, truth = _augmented(image, truth, draw)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = self.network(image)
            loss = label_cross_entropy(logits.float(), truth) + soft_dice_loss(logits.float(), truth)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), _LARGEST_GRADIENT)
            optimiser.step()
            schedule.step()
        self.network.eval()
        if (learned := float(self.dice(images[:4], labels[:4]).mean())) < least_dice:
            raise TrainingError(
                f"The benchmark's U-Net did not learn: Dice {learned:.2f} on its own training stacks, where "
                f"{least_dice} is the least. Nothing was measured; train it for more iterations."
            )

    @torch.no_grad()
    def find(self, stack: Stack) -> Stack:
        """Labels (K, 128, 128) uint8 of a stack in [-1, 1]."""
        parts = torch.from_numpy(stack)[:, None].split(_BATCH)
        return torch.cat([self.network(p).argmax(1) for p in parts]).numpy().astype(np.uint8)

    def dice(
        self, images: Sequence[Stack], labels: Sequence[Stack], only: Sequence[HeartLabel] = LABELS
    ) -> np.ndarray:
        """Mean Dice over structures, one for each stack."""
        found = [dice(truth, self.find(image)) for image, truth in zip(images, labels, strict=True)]
        return np.array([np.nanmean([f[label] for label in only]) for f in found])


class VendorClassifier:
    """Tells vendors apart, slice by slice."""

    def __init__(
        self, images: Sequence[Stack], vendors: Sequence[int], *, iterations: int, seed: int
    ) -> None:
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for narrow, wide in ((1, 16), (16, 32), (32, 48), (48, 64)):
            layers += [nn.Conv2d(narrow, wide, 3, 2, 1), nn.GroupNorm(8, wide), nn.SiLU()]
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(64, max(vendors) + 1)
        x = torch.from_numpy(np.concatenate(images))[:, None]
        y = torch.cat([torch.full((len(s),), v) for s, v in zip(images, vendors, strict=True)])
        parameters = [*self.features.parameters(), *self.head.parameters()]
        optimiser = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=1e-3)
        draw = torch.Generator().manual_seed(seed)
        for _ in range(iterations):
            chosen = torch.randint(len(x), (16,), generator=draw)
            loss = functional.cross_entropy(self.head(self.features(x[chosen])), y[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    @torch.no_grad()
    def seen(self, stack: Stack) -> tuple[np.ndarray, np.ndarray]:
        """Vendor (K,) and features (K, 64) of each slice."""
        features = self.features(torch.from_numpy(stack)[:, None])
        return self.head(features).argmax(1).numpy(), features.numpy()


def _augmented(image: Tensor, truth: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    n = len(image)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, generator=draw)

    angle, size = uniform(-15, 15) * math.pi / 180, uniform(0.85, 1.15)
    cosine, sine = torch.cos(angle) / size, torch.sin(angle) / size
    shift = (uniform(-0.08, 0.08), uniform(-0.08, 0.08))
    rows = [torch.stack([cosine, -sine, shift[0]], 1), torch.stack([sine, cosine, shift[1]], 1)]
    grid = functional.affine_grid(torch.stack(rows, 1), list(image.shape), align_corners=False)
    moved = functional.grid_sample(image, grid, padding_mode="border", align_corners=False)
    labels = functional.grid_sample(truth, grid, padding_mode="border", align_corners=False).argmax(1)
    gain, gamma, noise = (
        v.reshape(-1, 1, 1, 1) for v in (uniform(0.8, 1.2), uniform(0.7, 1.4), uniform(0, 0.08))
    )
    unit = ((moved / 2 + 0.5).clamp(1e-4, 1) ** gamma * gain).clamp(0, 1)
    unit = unit + noise * torch.randn(unit.shape, generator=draw)
    return unit.clamp(0, 1) * 2 - 1, functional.one_hot(labels, _CLASSES).movedim(-1, 1).float()
