"""Networks that see one slice of labels at a time, in batches that do not change the result."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from SynthLogic.bundles import Bundle, LabelChannel, Task
from SynthLogic.errors import BundleError, DeviceError, InputError
from SynthLogic.inference.device import choose_device, reproducible
from SynthLogic.inference.lanes import side_by_side
from SynthLogic.inference.monitor import CancelCallback, Monitor
from SynthLogic.inference.runner import guarded

_GPU_BATCH = 32
_UNKNOWN = 255


class SliceNetwork:
    """A bundle's network for slices, ready on its device.

    Every forward pass has the same number of slices, the last one filled up: kernels add up in another order
    for another number, so that a slice would else depend on how many are beside it.

    Args:
        bundle: an opened bundle.
        device: "auto", "cpu", "cuda" or "cuda:N".
        task: what the bundle must do.
        cpu_batch: slices in a forward pass on a CPU.

    Attributes:
        bundle: the bundle.
        card: its card.
        device: where it runs.

    Raises:
        DeviceError: no such device, or the network does not fit into its memory.
        BundleError: another task, or the weights are not what the card says.
    """

    def __init__(self, bundle: Bundle, device: str, task: Task, cpu_batch: int) -> None:
        bundle.card.expect(task)
        self.bundle, self.card = bundle, bundle.card
        self.device = choose_device(device)
        self.batch = cpu_batch if self.device.type == "cpu" else _GPU_BATCH
        # Building a network draws random weights, which the stored ones then replace.
        with torch.random.fork_rng(devices=[]):
            network = bundle.load_network()
        try:
            network = guarded(lambda: network.to(self.device), self.device)
        except MemoryError:
            raise DeviceError(
                f"The network does not fit into the memory of {self.device}; use --device cpu."
            ) from None
        # torch declares this argument only for tensors, but documents it for modules.
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._network = cast(Any, network)
        self.size = int(self._network.size)

    def _run(
        self,
        work: Callable[..., Tensor],
        *stacks: NDArray[Any],
        cancel: CancelCallback | None = None,
    ) -> NDArray[Any]:
        """``work`` on the stacks (K, ..), some slices at a time; (K, ..).

        ``cancel`` is asked in the threads that work.

        Raises:
            Cancelled: the user asked to stop.
            DeviceError: memory ran out with a single slice, or the device failed.
            BundleError: the result is not finite.
        """
        monitor = Monitor(cancel=cancel)

        def attempt(start: int) -> NDArray[Any]:
            monitor.check()
            group = [stack[start : start + self.batch] for stack in stacks]
            with torch.inference_mode():
                tensors = [torch.from_numpy(_filled(part, self.batch)).to(self.device) for part in group]
                result: NDArray[Any] = work(*tensors).cpu().numpy()
            return result[: len(group[0])]

        parts = None
        with reproducible(0, self.device):
            while parts is None:
                try:
                    parts = guarded(lambda: self._each(attempt, len(stacks[0])), self.device)
                except MemoryError:
                    self._halve_batch()
        result = np.concatenate(parts)
        if result.dtype.kind == "f" and not np.isfinite(result).all():
            raise BundleError(
                f"Bundle {self.bundle.name!r} gives values that are not finite; use --precision fp32 or "
                "another bundle."
            )
        return result

    def _each(self, work: Callable[[int], NDArray[Any]], count: int) -> list[NDArray[Any]]:
        starts = range(0, count, self.batch)
        return side_by_side(work, starts) if self.device.type == "cpu" else [work(start) for start in starts]

    def _halve_batch(self) -> None:
        if self.batch == 1:
            raise DeviceError(
                f"Memory of {self.device} ran out even with one slice; close other programs or use another "
                "device."
            )
        self.batch //= 2
        if self.device.type == "cuda":
            gc.collect()
            torch.cuda.empty_cache()

    def _indices(self, labels: NDArray[Any]) -> NDArray[np.uint8]:
        """Channels of the network (K, size, size) for the values ``labels``.

        Raises:
            InputError: another shape, an empty stack, or values that the card does not name.
        """
        size = self.size
        if labels.ndim != 3 or labels.shape[1:] != (size, size) or len(labels) == 0:
            raise InputError(
                f"The labels are {' x '.join(map(str, labels.shape))}; the network takes slices of "
                f"{size} x {size}, at least one: bring them into the heart's frame first."
            )
        return label_indices(labels, self.card.label_input)

    def _one_hot(self, indices: Tensor) -> Tensor:
        """(N, labels, size, size) float32 of channels (N, size, size)."""
        channels = torch.arange(len(self.card.label_input.labels), device=indices.device)
        return (indices[..., None] == channels).float().permute(0, 3, 1, 2)


def label_indices(labels: NDArray[Any], channel: LabelChannel) -> NDArray[np.uint8]:
    """The place of each value of ``labels`` among the channel's, in the same shape.

    Raises:
        InputError: a value that the channel does not name, or values that are not whole numbers.
    """
    table = np.full(256, _UNKNOWN, np.uint8)
    table[list(channel.values)] = np.arange(len(channel.values))
    with np.errstate(invalid="ignore"):
        whole = labels.astype(np.uint8)
    indices: NDArray[np.uint8] = table[whole]
    unknown = np.unique(labels[(indices == _UNKNOWN) | (whole != labels)])
    if len(unknown):
        known = ", ".join(f"{value} ({name})" for name, value in channel.labels.items())
        found = ", ".join(f"{value:g}" for value in unknown[:5])
        raise InputError(f"The labels hold {found}, which the network does not know; it knows {known}.")
    return indices


def _filled(stack: NDArray[Any], count: int) -> NDArray[Any]:
    missing = count - len(stack)
    return np.concatenate([stack, np.repeat(stack[-1:], missing, axis=0)])


__all__ = ["SliceNetwork", "label_indices"]
