"""Find structures in a scan with a bundle that was trained to: geometry, intensity, network, labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from SynthLogic.bundles import Plane, Task
from SynthLogic.errors import BundleError, InputError
from SynthLogic.inference.device import reproducible
from SynthLogic.inference.engine import Engine
from SynthLogic.inference.monitor import CancelCallback, Monitor, ProgressCallback
from SynthLogic.inference.planes import choose_planes, working_grid
from SynthLogic.inference.region import WHOLE
from SynthLogic.inference.runner import Runner
from SynthLogic.volume import Grid, Volume, resample


@dataclass(frozen=True)
class Structures:
    """What was found.

    Attributes:
        labels: uint8, on exactly the scan's grid; the values are those of the card's output.
        device: the device that ran.
        planes: slice direction that ran; empty for a 3D network.
        warnings: what the user should know.
    """

    labels: Volume
    device: str
    planes: tuple[Plane, ...]
    warnings: tuple[str, ...]


class StructureFinder(Engine):
    """A bundle of the task "segment" on one device; see ``Engine``."""

    task: ClassVar[Task] = "segment"

    def find(
        self,
        volume: Volume,
        second: Volume | None = None,
        *,
        planes: Sequence[str] | None = None,
        progress: ProgressCallback | None = None,
        cancel: CancelCallback | None = None,
    ) -> Structures:
        """Label ``volume``; its array is not changed.

        Args:
            volume: (K, J, I) in the card's input units, any orientation, finite.
            second: the other image of the same subject on the same grid, for a card that names one.
            planes: the slice direction to run; see ``choose_planes``.
            progress: told after each batch.
            cancel: asked between all steps.

        Raises:
            InputError: a second image that is missing, not wanted, or not on the scan's grid; more planes
                than one, or one that the network was not trained for.
            DeviceError: not enough memory even for one small tile, or the device failed.
            BundleError: the network's result is not finite.
            Cancelled: ``cancel`` said so.
        """
        self._check_second(volume, second)
        monitor = self._monitor = Monitor(progress, cancel)
        with reproducible(0, self.device):
            canonical, orientation = volume.canonical()
            chosen, warnings = choose_planes(canonical.grid, self.card.spatial, planes)
            if len(chosen) > 1:
                raise InputError("Structures are found in slices of one direction; name one plane.")
            grid = working_grid(canonical.grid, self.card.spatial, chosen)
            prepared = [self._ready(canonical, grid, monitor)]
            if second is not None:
                prepared.append(self._ready(second.canonical()[0], grid, monitor, second=True))
            count = len(self.card.label_output.values)
            runner = Runner(self._network, self.card.spatial, self.device, monitor, None, range(count))
            (logits,) = self._forward(runner, np.stack(prepared), chosen, (WHOLE,))
            labels = self._labelled(logits, grid, canonical.grid, monitor)
        return Structures(
            volume.with_array(orientation.restore(labels)),
            str(self.device),
            chosen,
            (*self._warnings, *warnings, *runner.warnings),
        )

    def _ready(self, canonical: Volume, grid: Grid, monitor: Monitor, second: bool = False) -> np.ndarray:
        channel = self.card.second if second else self.card.image_input
        if channel is None:
            raise BundleError(f"Bundle {self.card.name!r} knows no second image.")
        return self._normalised(self._working(canonical, grid, channel, monitor), channel, monitor)

    def _check_second(self, volume: Volume, second: Volume | None) -> None:
        wanted = self.card.second
        if wanted is not None and second is None:
            raise InputError(
                f"Bundle {self.card.name!r} looks at a {self.card.image_input.modality} and a "
                f"{wanted.modality} of the same subject; give both."
            )
        if wanted is None and second is not None:
            raise InputError(f"Bundle {self.card.name!r} looks at one image; leave the second out.")
        if second is not None and not second.grid.is_close(volume.grid):
            raise InputError("The second image does not lie on the scan's grid; resample it there first.")

    def _labelled(self, logits: np.ndarray, grid: Grid, canonical: Grid, monitor: Monitor) -> np.ndarray:
        """The label with the largest logit on the scan's grid; logits are what is interpolated."""
        values = self.card.label_output.values
        best = np.full(canonical.shape, -np.inf, np.float32)
        labels = np.zeros(canonical.shape, np.uint8)
        for value, logit in zip(values, logits, strict=True):
            monitor.check()
            there = resample(
                Volume(logit, grid.ijk_to_ras), canonical, background=0.0 if value == 0 else -1e4
            ).array
            better = there > best
            labels[better] = value
            best = np.where(better, there, best)
        return labels


__all__ = ["StructureFinder", "Structures"]
