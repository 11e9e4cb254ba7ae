"""Labels and a style to an MR image, with a bundle's SPADE generator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from SynthLogic.bundles import Bundle
from SynthLogic.errors import InputError
from SynthLogic.inference.fusion import to_units
from SynthLogic.inference.monitor import CancelCallback, Monitor
from SynthLogic.inference.precision import DTYPES, PRECISIONS, choose_precision
from SynthLogic.inference.slices import SliceNetwork
from SynthLogic.volume import Volume

if TYPE_CHECKING:
    from SynthLogic.networks.spade_generator import SpadeGenerator

# Slices in a pass on a CPU: a single slice, which would be filled up to as many, is to be quick.
_CPU_BATCH = 1
# A drawn style stays within so many standard deviations of the middle: far out, looks of two styles meet.
_FARTHEST = 1.5


class Painter(SliceNetwork):
    """The SPADE generator of a bundle (Park et al. 2019; on hearts Amirrajab 2022).

    Same labels and style, same bits, however many slices are given together and on however many threads of a
    CPU; but not on another device or in another precision.

    Args:
        bundle: an opened bundle of the task "paint".
        device: "auto", "cpu", "cuda" or "cuda:N".
        precision: "auto", "fp32", "bf16" or "fp16"; see ``choose_precision``.
        unmeasured: run in a precision the card does not allow (yet), as is needed to measure it.

    Attributes:
        bundle: the bundle.
        card: its card.
        device: where it runs.
        precision: "fp32", "bf16" or "fp16".
        warnings: what the user should know of the precision.
        size: pixels of a slice's side.
        length: numbers of a style.
        styles: names of the styles, in the card's order.

    Raises:
        DeviceError: device or precision not possible here, or not allowed by the card.
        BundleError: the bundle has another task, or its weights are not what the card says.
    """

    def __init__(
        self, bundle: Bundle, device: str = "auto", precision: str = "auto", *, unmeasured: bool = False
    ) -> None:
        super().__init__(bundle, device, "paint", _CPU_BATCH)
        self.warnings: tuple[str, ...] = ()
        if unmeasured and precision in PRECISIONS[1:]:
            self.precision = precision
        else:
            self.precision, self.warnings = choose_precision(self.card, self.device, precision)
        network: SpadeGenerator = self._network
        if self.precision != "fp32":
            network.lower_precision(DTYPES[self.precision])
        self.length = network.style
        self.styles = tuple(style.name for style in self.card.styles)
        self._middles = network.style_means.cpu().numpy()
        self._spreads = network.style_spreads.cpu().numpy()

    def paint(
        self, labels: NDArray[Any], style: NDArray[Any], *, cancel: CancelCallback | None = None
    ) -> NDArray[np.float32]:
        """The image (K, size, size) of label slices, in the card's units.

        Args:
            labels: (K, size, size), values of the card.
            style: (length,) for all slices, or (K, length).
            cancel: asked every few slices.

        Raises:
            InputError: labels or style of another shape, or values that the card does not name.
            DeviceError: memory ran out with one slice, or the device failed.
            Cancelled: ``cancel`` said so.
        """
        indices = self._indices(np.asarray(labels))
        style = np.asarray(style, np.float32)
        if style.shape not in ((self.length,), (len(indices), self.length)) or not np.isfinite(style).all():
            raise InputError(
                f"A style is {self.length} finite numbers, for all slices or for each, not {style.shape}."
            )
        styles = np.broadcast_to(style, (len(indices), self.length))
        image = self._run(
            lambda x, s: self._network(self._one_hot(x), s)[:, 0], indices, styles, cancel=cancel
        )
        return to_units(image, self.card.image_output, Monitor(cancel=cancel))

    def style_of(self, image: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.float32]:
        """The style (length,) of a scan: the mean over its slices that show the heart.

        Args:
            image: (K, size, size) in any linear units, those of the network included; the card's
                ``reference`` says how it is normalised.
            labels: of the same shape, values of the card.

        Raises:
            InputError: shapes that differ, no heart in the labels, values that the card does not name, or an
                image without contrast.
        """
        image, indices = np.asarray(image, np.float32), self._indices(np.asarray(labels))
        if image.shape != indices.shape:
            raise InputError(
                f"The scan is {image.shape} and its labels are {indices.shape}; bring both to one grid."
            )
        shown = indices.any(axis=(1, 2))
        if not shown.any():
            raise InputError("The labels of the scan show no heart; give those that belong to it.")
        assert self.card.reference is not None  # the card holds it for this task
        matrix = np.diag([self.card.spatial.spacing_mm] * 3 + [1.0])
        normalised, _ = self.card.reference.intensity.forward(Volume(image, matrix))
        codes = self._run(
            lambda x, y: self._network.encode_style(x[:, None], self._one_hot(y))[0],
            normalised[shown],
            indices[shown],
        )
        style: NDArray[np.float32] = codes.mean(axis=0, dtype=np.float64).astype(np.float32)
        return style

    def style_named(self, name: str | None = None, seed: int | None = None) -> NDArray[np.float32]:
        """A style (length,) by name, or drawn.

        Args:
            name: one of ``styles``; None takes the first, or with a seed any.
            seed: draws from the style's spread, at most 1.5 standard deviations from its middle along each
                principal axis; None takes the middle.

        Raises:
            InputError: no such style.
        """
        if name is not None and name not in self.styles:
            raise InputError(
                f"There is no style {name!r}; bundle {self.bundle.name!r} has {', '.join(self.styles)}."
            )
        place = 0 if name is None else self.styles.index(name)
        if seed is None:
            return self._middles[place].copy()
        generator = np.random.default_rng(seed)
        if name is None:
            place = int(generator.integers(len(self.styles)))
        draw = generator.standard_normal(self.length).clip(-_FARTHEST, _FARTHEST)
        style: NDArray[np.float32] = (self._middles[place] + self._spreads[place] @ draw).astype(np.float32)
        return style


__all__ = ["Painter"]
