"""Translate a volume with a bundle: geometry, intensity, network and all the way back."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from SynthLogic.bundles import Bundle, Channel, Plane, Task
from SynthLogic.errors import BundleError, DeviceError, InputError
from SynthLogic.inference.device import choose_device, reproducible
from SynthLogic.inference.fusion import fuse, to_units
from SynthLogic.inference.monitor import CancelCallback, Monitor, ProgressCallback
from SynthLogic.inference.planes import STACK_AXIS, choose_planes, working_grid
from SynthLogic.inference.precision import DTYPES, PRECISIONS, choose_precision, lower_precision
from SynthLogic.inference.region import WHOLE, Box, checked_region, windows
from SynthLogic.inference.runner import Runner, guarded
from SynthLogic.inference.tiles import all_channels
from SynthLogic.intensity import mask_values
from SynthLogic.volume import Grid, Orientation, Volume, resample


@dataclass(frozen=True)
class EngineResult:
    """What a run gave and how it was really made.

    Attributes:
        volume: the synthetic image in the card's output units, on exactly the input's grid.
        labels: for a bundle with masks, the label map that goes with the image (uint8, same grid); else None.
        disagreement: standard deviation between the planes, same units and grid, or None for a single plane.
        device: the device that ran, for example "cuda:0".
        precision: "fp32", "bf16" or "fp16".
        batch: slices or tiles per forward pass at the end of the run.
        planes: slice directions that ran; empty for a 3D network.
        warnings: what the user should know, for example that memory ran out and the batch was halved.
        timings: seconds of the phases "geometry", "intensity", "forward", "restore".
    """

    volume: Volume
    labels: Volume | None
    disagreement: Volume | None
    device: str
    precision: str
    batch: int
    planes: tuple[Plane, ...]
    warnings: tuple[str, ...]
    timings: dict[str, float] = field(compare=False)


class Engine:
    """A bundle's network on one device in one precision; runs any number of volumes, one at a time.

    Args:
        bundle: an opened bundle; its card alone decides how a scan is prepared and brought back.
        device: "auto", "cpu", "cuda" or "cuda:N".
        precision: "auto", "fp32", "bf16" or "fp16"; see ``choose_precision``.
        unmeasured: run in a precision the card does not allow (yet), as is needed to measure it.

    Raises:
        DeviceError: device or precision not possible here, or not allowed by the card.
        BundleError: the bundle does something else, or the weights are not what the card says.
    """

    task: ClassVar[Task] = "translate"

    def __init__(
        self, bundle: Bundle, device: str = "auto", precision: str = "auto", *, unmeasured: bool = False
    ) -> None:
        self.bundle = bundle
        self.card = bundle.card
        self.card.expect(self.task)
        self.device = choose_device(device)
        self._warnings: tuple[str, ...] = ()
        if unmeasured and precision in PRECISIONS[1:]:
            self.precision = precision
        else:
            self.precision, self._warnings = choose_precision(self.card, self.device, precision)
        self._monitor = Monitor()
        # Building a network draws random weights, which the stored ones then replace.
        with torch.random.fork_rng(devices=[]):
            self._network = self._prepared(bundle.load_network())

    def _prepared(self, network: nn.Module) -> nn.Module:
        # A foreign graph takes no hooks: it stays whole and is asked for cancel between batches only.
        native = self.card.format == "safetensors"
        if native and self.precision != "fp32":
            network = lower_precision(network, DTYPES[self.precision])
        if native:
            for module in network.modules():
                if any(True for _ in module.parameters(recurse=False)):
                    module.register_forward_pre_hook(lambda *_: self._monitor.check_now_and_then())
        layout = torch.channels_last if self.card.spatial.spatial_dims == 2 else torch.channels_last_3d
        try:
            network = guarded(lambda: network.to(self.device), self.device)
            # torch declares this argument only for tensors, but documents it for modules.
            return network.to(memory_format=layout) if native else network  # type: ignore[call-overload]
        except MemoryError:
            raise DeviceError(
                f"The network does not fit into the memory of {self.device}; use --device cpu."
            ) from None

    def run(
        self,
        volume: Volume,
        *,
        planes: Sequence[str] | None = None,
        seed: int = 0,
        batch: int | None = None,
        progress: ProgressCallback | None = None,
        cancel: CancelCallback | None = None,
        region: NDArray[Any] | None = None,
        labels: NDArray[Any] | None = None,
    ) -> EngineResult:
        """Translate ``volume``; its array is not changed.

        Args:
            volume: (K, J, I) in the card's input units, any orientation, finite.
            planes: slice directions to run and combine by median; by default one, see ``choose_planes``.
            seed: of everything random; same seed, device, precision and batch give the same bits.
            batch: slices (or tiles) per forward pass; by default what is fastest on the device.
            progress: told after each batch.
            cancel: asked at least every layer of the network and between all other steps.
            region: (K, J, I), not 0 where a result is wanted; elsewhere the card's background is put.
                Intensities are fitted to the whole scan all the same.
            labels: (K, J, I) label map of the scan, for a bundle with masks, which translates it too.

        Raises:
            InputError: a plane the network was not trained for; a region that is empty or of another shape;
                labels that the bundle needs, or has no use for, or that are not the scan's.
            DeviceError: not enough memory even for one small tile, or the device failed.
            BundleError: the network's result is not finite.
            Cancelled: ``cancel`` said so.
        """
        if batch is not None and batch < 1:
            raise InputError(f"The batch is {batch}; it must be at least 1.")
        self._check_labels(labels, volume.shape)
        monitor = self._monitor = Monitor(progress, cancel)
        clock = _Clock()
        monitor.check()
        with reproducible(seed, self.device):
            with clock("geometry"):
                canonical, orientation = volume.canonical()
                chosen, warnings = choose_planes(canonical.grid, self.card.spatial, planes)
                grid = working_grid(canonical.grid, self.card.spatial, chosen)
                inside = None
                boxes: tuple[Box, ...] = (WHOLE,) * max(1, len(chosen))
                if region is not None:
                    inside = orientation.apply(checked_region(region, volume.shape))
                    boxes = windows(inside, canonical.grid, grid, self.card.spatial, chosen)
                working = self._working(canonical, grid, self.card.image_input, monitor)
            with clock("intensity"):
                prepared = self._normalised(working, self.card.image_input, monitor)[None]
                if labels is not None:
                    masks = self._masks(Volume(orientation.apply(labels), canonical.ijk_to_ras), grid)
                    prepared = np.concatenate([prepared, masks])
                    del masks
                del working
            with clock("forward"):
                # Of what the network gives for each slice beside it, only the middle is wanted.
                reach = self.card.spatial.neighbours
                wanted = [reach, *range(2 * reach + 1, 2 * reach + 1 + len(self.card.masks))]
                runner = Runner(self._network, self.card.spatial, self.device, monitor, batch, wanted)
                outputs = self._forward(runner, prepared, chosen, boxes)
                del prepared
            with clock("restore"):
                found = self._labels(outputs, grid, canonical.grid)
                images = [output[0] for output in outputs]
                del outputs
                result, disagreement = self._restore(images, grid, canonical.grid, monitor)
                if inside is not None:
                    found = None if found is None else found * inside
                    result = np.where(inside, result, result.dtype.type(self.card.output.background))
                    disagreement = None if disagreement is None else disagreement * inside
        return EngineResult(
            volume=_stored(result, orientation, volume),
            labels=None if found is None else _stored(found, orientation, volume),
            disagreement=None if disagreement is None else _stored(disagreement, orientation, volume),
            device=str(self.device),
            precision=self.precision,
            batch=runner.batch,
            planes=chosen,
            warnings=(*self._warnings, *warnings, *runner.warnings),
            timings=clock.seconds,
        )

    def _check_labels(self, labels: NDArray[Any] | None, shape: tuple[int, int, int]) -> None:
        masks = self.card.masks
        if masks and labels is None:
            raise InputError(
                f"Bundle {self.card.name!r} translates {', '.join(masks)} along with the image; give the "
                "scan's label map."
            )
        if labels is None:
            return
        if not masks:
            raise InputError(f"Bundle {self.card.name!r} translates images alone; leave the label map out.")
        if labels.shape != shape:
            raise InputError("The label map does not have the voxels of the scan; resample it there.")
        if not np.isin(labels, [value for values in masks.values() for value in values]).any():
            wanted = "; ".join(f"{name}: {', '.join(map(str, v))}" for name, v in masks.items())
            raise InputError(f"The label map has none of the labels that the bundle knows ({wanted}).")

    def _masks(self, labels: Volume, grid: Grid) -> np.ndarray:
        """(masks, K, J, I) float32, positive inside, on the working grid."""
        array = resample(labels, grid, order=0).array
        masks = [np.isin(array, values) for values in self.card.masks.values()]
        return mask_values(np.stack(masks))

    def _labels(self, outputs: list[np.ndarray], grid: Grid, canonical: Grid) -> np.ndarray | None:
        """The label map (K, J, I) uint8: for each voxel the mask that is clearest, if it is inside one."""
        if not self.card.masks:
            return None
        masks = np.mean([output[1:] for output in outputs], axis=0)
        values = np.array([values[0] for values in self.card.masks.values()], np.uint8)
        labels = np.where(masks.max(0) > 0, values[masks.argmax(0)], np.uint8(0))
        return resample(Volume(labels, grid.ijk_to_ras), canonical, order=0).array

    def _working(self, canonical: Volume, grid: Grid, channel: Channel, monitor: Monitor) -> Volume:
        if grid is canonical.grid:
            return canonical
        background = channel.background
        return monitor.interruptible(
            lambda: resample(canonical, grid, background=background, dtype=np.float32)
        )

    def _normalised(self, working: Volume, channel: Channel, monitor: Monitor) -> np.ndarray:
        return monitor.interruptible(lambda: channel.intensity.forward(working)[0])

    def _forward(
        self, runner: Runner, prepared: np.ndarray, planes: tuple[Plane, ...], boxes: tuple[Box, ...]
    ) -> list[np.ndarray]:
        """(C, K, J, I) in [-1, 1] for each plane, or the only one of a 3D network; -1 outside its box."""
        parts = [prepared[all_channels(prepared, box)] for box in boxes]
        shape = (len(runner.wanted), *prepared.shape[1:])
        outputs = [np.full(shape, -1, np.float32) for _ in parts]
        if not planes:
            runner.monitor.message = "tiles"
            outputs[0][all_channels(outputs[0], boxes[0])] = runner.volume(parts[0])
        else:
            axes = [1 + STACK_AXIS[plane] for plane in planes]
            total = sum(part.shape[axis] for part, axis in zip(parts, axes, strict=True))
            runner.monitor.begin(total, "slices", f"{planes[0]} slices")
            for plane, axis, part, output, box in zip(planes, axes, parts, outputs, boxes, strict=True):
                runner.monitor.message = f"{plane} slices"
                runner.slices(
                    np.moveaxis(part, axis, 1), np.moveaxis(output[all_channels(output, box)], axis, 1)
                )
        for output in outputs:
            # NaN and infinity survive summation: no second array is needed to find them.
            if not np.isfinite(output.sum(dtype=np.float64)):
                hint = "import it again" if self.precision == "fp32" else "use --precision fp32"
                raise BundleError(
                    f"The network gave values that are not numbers in {self.precision}; {hint}."
                )
        return outputs

    def _restore(
        self, outputs: list[np.ndarray], grid: Grid, canonical: Grid, monitor: Monitor
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Units, fusion and the way back to the scan's canonical grid."""
        channel = self.card.image_output
        images = [to_units(output, channel, monitor) for output in outputs]
        deviation = None
        if len(images) > 1:
            image, deviation = fuse(images, monitor)
        else:
            image = images[0]

        def back(array: np.ndarray, background: float, dtype: str) -> np.ndarray:
            source = Volume(array, grid.ijk_to_ras)
            return resample(source, canonical, background=background, dtype=dtype).array

        result = monitor.interruptible(lambda: back(image, channel.background, channel.dtype))
        if deviation is None:
            return result, None
        return result, monitor.interruptible(lambda: back(deviation, 0.0, "float32"))


def _stored(array: np.ndarray, orientation: Orientation, like: Volume) -> Volume:
    return like.with_array(orientation.restore(array))


class _Clock:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[phase] = time.perf_counter() - start


__all__ = ["Engine", "EngineResult"]
