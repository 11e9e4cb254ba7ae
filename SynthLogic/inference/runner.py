"""Run a network over a stack of slices or over a volume in tiles, within the memory there is."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from math import prod
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from SynthLogic.bundles import Spatial
from SynthLogic.errors import DeviceError
from SynthLogic.inference.device import is_out_of_memory
from SynthLogic.inference.monitor import Monitor
from SynthLogic.inference.tiles import Stitcher, all_channels

Value = TypeVar("Value")
# Voxels in flight: on a CPU more than a few slices leave the cache and get slower (measured: 2 slices of
# 256x256 are best, 8 are 15 % slower); a GPU needs about this many to be busy.
_CPU_VOXELS = 2 * 256**2
_GPU_VOXELS = 16 * 256**2
_LARGEST_BATCH = 64
_SMALLEST_TILE = 32
# How a warning begins that says that batch or tile stepped down.
OUT_OF_MEMORY = "memory ran out"
# A side shorter than this many divisors leaves the innermost layers too few voxels to reflect.
_FEWEST_STEPS = 4


def default_batch(device: torch.device, shape: tuple[int, ...]) -> int:
    """Items of ``shape`` voxels per forward pass; depends on nothing that changes from run to run."""
    voxels = _CPU_VOXELS
    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory
        voxels = int(_GPU_VOXELS * min(1.0, memory / (8 * 2**30)))
    return min(max(1, voxels // max(1, prod(shape))), _LARGEST_BATCH)


def guarded(work: Callable[[], Value], device: torch.device) -> Value:
    """The result of ``work``, with every way of running out of memory as MemoryError.

    Raises:
        MemoryError: the device's or the computer's memory ran out.
        DeviceError: a GPU failed otherwise.
    """
    try:
        return work()
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise MemoryError("out of memory") from None
        if device.type == "cuda":
            reason = str(error).strip().splitlines()[0]
            raise DeviceError(f"Device {device} failed ({reason}); try again with --device cpu.") from error
        raise


def pad_at_end(x: Tensor, divisor: int) -> Tensor:
    """Pad the spatial axes of x (N, C, *spatial) at their ends to the next multiple of ``divisor``.

    Never to less than four times ``divisor``. By reflection, or by repeating the border where an axis is too
    short to be reflected.
    """
    spatial = x.shape[2:]
    missing = [max(-size % divisor, _FEWEST_STEPS * divisor - size) for size in spatial]
    for mode in ("reflect", "replicate"):
        widths: list[int] = []
        for size, width in zip(reversed(spatial), reversed(missing), strict=True):
            fits = (width < size) == (mode == "reflect")
            widths += [0, width if fits else 0]
        if any(widths):
            x = functional.pad(x, widths, mode=mode)
    return x


def _sides(shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(0, size) for size in shape)


class Runner:
    """A network on its device in its precision, with the batch and tile that fit into memory.

    What goes in and comes out has channels first. ``wanted`` are those of the network's output that are kept.
    ``batch`` and ``tile`` step down when memory runs out; ``warnings`` then says so.
    """

    def __init__(
        self,
        network: nn.Module,
        spatial: Spatial,
        device: torch.device,
        monitor: Monitor,
        batch: int | None = None,
        wanted: Sequence[int] = (0,),
    ) -> None:
        self.device = device
        self.monitor = monitor
        self.batch = batch or 0
        self.tile: tuple[int, ...] | None = spatial.tile
        self.warnings: list[str] = []
        self._network = network
        self._spatial = spatial
        self.wanted = list(wanted)
        self._layout = torch.channels_last if spatial.spatial_dims == 2 else torch.channels_last_3d

    # -- slices ---------------------------------------------------------------------------------------------

    def slices(self, stack: np.ndarray, out: np.ndarray) -> None:
        """Run slices (C, N, rows, columns), float32 in [-1, 1], into ``out`` (wanted, N, rows, columns).

        Raises:
            DeviceError: not even one small tile fits into memory, or the device failed.
            Cancelled: the user asked to stop.
        """
        shape = stack.shape[2:]
        self.batch = self.batch or default_batch(self.device, shape)
        source, sink = self._place(stack, out)
        reached = 0
        while reached < stack.shape[1]:
            self.monitor.check()
            whole = self.tile is None or all(s <= t for s, t in zip(shape, self.tile, strict=True))
            count = min(self.batch, stack.shape[1] - reached) if whole else 1
            chunk = self._with_neighbours(source, reached, count)
            result = self._attempt(self._whole, chunk) if whole else self._attempt(self._stitched, chunk[0])
            if result is None:
                self._step_down(count if whole else self.batch, shape, whole)
                continue
            sink[:, reached : reached + count] = result.reshape(count, *result.shape[-3:]).movedim(1, 0)
            reached += count
            self.monitor.advance(count)
        if sink.device.type == "cuda":
            torch.from_numpy(out).copy_(sink)

    def _with_neighbours(self, source: Tensor, start: int, count: int) -> Tensor:
        """Slices of (C, N, rows, columns) as the network wants them: (count, channels, rows, columns)."""
        reach = self._spatial.neighbours
        chunk = source[:, start : start + count].movedim(0, 1)
        if not reach:
            return chunk
        near = torch.arange(start, start + count)[:, None] + torch.arange(-reach, reach + 1)
        images = source[0][near.clamp(0, source.shape[1] - 1).to(source.device)]
        return torch.cat([images, chunk[:, 1:]], 1)

    def _place(self, stack: np.ndarray, out: np.ndarray) -> tuple[Tensor, Tensor]:
        """Source and sink of all slices: on a GPU, if they fit there, so that one copy each way is enough."""
        source = torch.from_numpy(stack if all(step > 0 for step in stack.strides) else stack.copy())
        placed = None
        if self.device.type == "cuda" and 4 * stack.nbytes < torch.cuda.mem_get_info(self.device)[0]:
            placed = self._attempt(self._on_device, source)
        return placed or (source, torch.from_numpy(out))

    def _on_device(self, source: Tensor) -> tuple[Tensor, Tensor]:
        there = source.contiguous().pin_memory().to(self.device, non_blocking=True)
        return there, torch.empty((len(self.wanted), *there.shape[1:]), device=self.device)

    def _whole(self, x: Tensor) -> Tensor:
        """(N, channels, *spatial) to (N, C, *spatial) float32, padded for the network and cropped again."""
        spatial = x.shape[2:]
        padded = pad_at_end(x.to(self.device), self._spatial.divisor).contiguous(memory_format=self._layout)
        with torch.inference_mode():
            y = self._network(padded)
        if self.device.type == "cuda":
            # Progress and cancel mean what has been computed, not what is queued.
            torch.cuda.synchronize(self.device)
        wanted = y[:, self.wanted]
        return wanted[all_channels(wanted, _sides(spatial))].float()

    # -- tiles ----------------------------------------------------------------------------------------------

    def volume(self, array: np.ndarray) -> np.ndarray:
        """Run ``array`` (C, K, J, I), float32 in [-1, 1], in overlapping tiles; gives (wanted, K, J, I).

        Raises:
            DeviceError: not even one small tile fits into memory, or the device failed.
            Cancelled: the user asked to stop.
        """
        source = torch.from_numpy(np.ascontiguousarray(array))
        while True:
            self.batch = self.batch or default_batch(self.device, self.tile or array.shape[1:])
            result = self._attempt(self._stitched, source, True)
            if result is not None:
                return result.numpy()
            self._step_down(self.batch, array.shape[1:], whole=False)

    def _stitched(self, x: Tensor, count: bool = False) -> Tensor:
        """One slice or volume (channels, *spatial) in overlapping tiles, blended on the CPU."""
        spatial = tuple(x.shape[1:])
        padded = pad_at_end(x[None], self._spatial.divisor)[0]
        shape = tuple(padded.shape[1:])
        stitcher = Stitcher(shape, self.tile or shape, self._spatial.overlap, (len(self.wanted),))
        windows = stitcher.windows
        if count:
            self.monitor.begin(len(windows), "tiles", self.monitor.message)
        reached = 0
        while reached < len(windows):
            self.monitor.check()
            group = windows[reached : reached + max(1, self.batch)]
            result = self._attempt(self._whole, torch.stack([padded[all_channels(padded, w)] for w in group]))
            if result is None:
                if len(group) == 1:
                    raise MemoryError("out of memory with a single tile")
                self._halve_batch(len(group))
                continue
            for window, values in zip(group, result.cpu().numpy(), strict=True):
                stitcher.add(window, values)
            reached += len(group)
            if count:
                self.monitor.advance(len(group))
        result = torch.from_numpy(stitcher.result())
        return result[all_channels(result, _sides(spatial))]

    # -- memory ---------------------------------------------------------------------------------------------

    def _attempt(self, work: Callable[..., Value], *arguments: object) -> Value | None:
        """The result of ``work``, or None when memory ran out and was given back."""
        try:
            return guarded(lambda: work(*arguments), self.device)
        except MemoryError:
            pass
        # Only here is the failed pass's traceback gone, and with it its tensors.
        if self.device.type == "cuda":
            gc.collect()
            torch.cuda.empty_cache()
        return None

    def _halve_batch(self, used: int) -> None:
        self.batch = max(1, used // 2)
        self.warnings.append(f"{OUT_OF_MEMORY} on {self.device}, batch {used} -> {self.batch}")

    def _step_down(self, used: int, shape: tuple[int, ...], whole: bool) -> None:
        """Halve the batch, or else the longest side of the tile."""
        if whole and used > 1:
            self._halve_batch(used)
            return
        divisor = self._spatial.divisor
        smallest = -(-_SMALLEST_TILE // divisor) * divisor
        padded = tuple(-(-size // divisor) * divisor for size in shape)
        old = (
            padded if self.tile is None else tuple(min(t, p) for t, p in zip(self.tile, padded, strict=True))
        )
        longest = max(old)
        half = -(-longest // (2 * divisor)) * divisor
        if half >= longest or longest <= smallest:
            raise DeviceError(
                f"Memory of {self.device} ran out even with a tile of {' x '.join(map(str, old))} voxels; "
                "close other programs or use another device."
            )
        self.tile = tuple(max(half, smallest) if size == longest else size for size in old)
        before = "whole slices" if self.tile is None or whole else "tile " + " x ".join(map(str, old))
        self.warnings.append(
            f"{OUT_OF_MEMORY} on {self.device}, {before} -> tile {' x '.join(map(str, self.tile))}"
        )


__all__ = ["OUT_OF_MEMORY", "Runner", "default_batch", "guarded", "pad_at_end"]
