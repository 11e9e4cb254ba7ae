"""Label slices to latent vectors and back, with a bundle's label VAE."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from SynthLogic.bundles import Bundle
from SynthLogic.errors import InputError
from SynthLogic.inference.drawing import Drawing
from SynthLogic.inference.monitor import CancelCallback
from SynthLogic.inference.slices import SliceNetwork

# Slices in a pass on a CPU: as many as stay in its cache (measured: 4 and 32 take a third longer each).
_CPU_BATCH = 8


class LabelCodec(SliceNetwork):
    """The label VAE of a bundle (Kingma and Welling 2014; on hearts Amirrajab 2022), in fp32.

    Same labels or vectors, same bits, however many slices are given together and on however many threads of a
    CPU; but not on another device.

    Args:
        bundle: an opened bundle of the task "label-vae".
        device: "auto", "cpu", "cuda" or "cuda:N".

    Attributes:
        bundle: the bundle.
        card: its card.
        device: where it runs.
        size: pixels of a slice's side.
        latent: numbers of a latent vector.

    Raises:
        DeviceError: no such device, or the network does not fit into its memory.
        BundleError: the bundle has another task, or its weights are not what the card says.
    """

    precision = "fp32"

    def __init__(self, bundle: Bundle, device: str = "auto") -> None:
        super().__init__(bundle, device, "label-vae", _CPU_BATCH)
        self.latent = int(self._network.latent)
        self._values = np.array(self.card.label_input.values, np.uint8)

    def encode(self, labels: NDArray[Any], *, cancel: CancelCallback | None = None) -> NDArray[np.float32]:
        """Latent vectors (K, latent) of label slices (K, size, size): the means of what the VAE thinks.

        Raises:
            InputError: slices of another size, none, or values that the card does not name.
            Cancelled: ``cancel`` said so.
        """
        indices = self._indices(np.asarray(labels))
        return self._run(lambda x: self._network.encode(self._one_hot(x))[0], indices, cancel=cancel)

    def decode(self, z: NDArray[Any], *, cancel: CancelCallback | None = None) -> NDArray[np.uint8]:
        """Label slices (K, size, size) of latent vectors (K, latent): the likeliest label of each pixel.

        Raises:
            InputError: vectors of another length, none, or values that are not finite.
            Cancelled: ``cancel`` said so.
        """
        return self.draw(z, cancel=cancel).labels()

    def draw(self, z: NDArray[Any], *, cancel: CancelCallback | None = None) -> Drawing:
        """As ``decode``, before labels are decided.

        Raises:
            InputError, Cancelled: as ``decode``.
        """
        z = np.asarray(z, np.float32)
        if z.ndim != 2 or z.shape[1] != self.latent or len(z) == 0 or not np.isfinite(z).all():
            raise InputError(
                f"Latent vectors must be (K, {self.latent}) finite numbers with K at least 1, not {z.shape}."
            )
        logits = self._run(self._network.draw, z, cancel=cancel)
        return Drawing(torch.from_numpy(logits), self._network, self._values)


__all__ = ["LabelCodec"]
