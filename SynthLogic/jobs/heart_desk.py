"""What is kept between jobs on hearts, so that a slider's move costs one decode and one paint."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from SynthLogic.bundles import Bundle
from SynthLogic.errors import InputError
from SynthLogic.hearts import (
    Extent,
    HeartLabel,
    Sizes,
    along_axis,
    between,
    held_between,
    positions,
    volumes_ml,
    without_islands,
)
from SynthLogic.jobs.choose import Task, choose_for
from SynthLogic.jobs.heart_labels import Heart, check_blendable, heart_of
from SynthLogic.jobs.heart_requests import NamedStyle, ScanStyle, SeedStyle, StyleChoice
from SynthLogic.volume import Grid, Scan

if TYPE_CHECKING:
    from SynthLogic.inference import LabelCodec, Painter

_HEARTS, _STYLES, _OFFSPRING, _NETWORKS = 16, 64, 4, 2
_VALUES = tuple(int(label) for label in HeartLabel)
Value = TypeVar("Value")
FloatArray = NDArray[np.float32]


class _Kept(Generic[Value]):
    """The values used last."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._values: OrderedDict[Hashable, Value] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        value = self._values.pop(key) if key in self._values else make()
        self.put(key, value)
        return value

    def find(self, key: Hashable) -> Value | None:
        return self._values.get(key)

    def put(self, key: Hashable, value: Value) -> None:
        self._values[key] = value
        self._values.move_to_end(key)
        while len(self._values) > self._count:
            self._values.popitem(last=False)

    def clear(self) -> None:
        self._values.clear()


@dataclass(frozen=True, eq=False)
class Reference:
    """A scan whose style is wanted, with its labels (``HeartLabel`` values, any grid)."""

    image: Scan
    labels: Heart


@dataclass(frozen=True, eq=False)
class Offspring:
    """A heart between two, or one with other slices.

    Attributes:
        labels: (K, size, size) uint8, apex at k = 0.
        grid: where it lies: the first heart's middle and axes, slices over the length between both.
        t: 0 at the first heart, 1 at the second.
        volumes_ml: by the structures' names in lower case ("lv_cavity", ..), from the middle of the first
            slice to that of the last.
    """

    labels: NDArray[np.uint8]
    grid: Grid
    t: float
    volumes_ml: dict[str, float]


class Hearts:
    """Bundles that were chosen and verified, their networks, prepared hearts, latents and styles.

    Everything is kept by content, so a result is the same whether it was made for it or kept.
    """

    def __init__(self) -> None:
        self._chosen: dict[tuple[str, str | None], tuple[Bundle, str]] = {}
        self._codecs: _Kept[LabelCodec] = _Kept(_NETWORKS)
        self._painters: _Kept[Painter] = _Kept(_NETWORKS)
        self._hearts: _Kept[Heart] = _Kept(_HEARTS)
        self._latents: _Kept[FloatArray] = _Kept(2 * _HEARTS)
        self._styles: _Kept[FloatArray] = _Kept(_STYLES)
        self._sizes: _Kept[Sizes] = _Kept(2 * _HEARTS)
        self._offspring: _Kept[Offspring] = _Kept(_OFFSPRING)
        self._painted: _Kept[Heart] = _Kept(_HEARTS)

    def choose(self, task: Task, name: str | None = None, bundle: Bundle | None = None) -> tuple[Bundle, str]:
        """As ``choose.choose_for``, once; ``forget_bundles`` when the store has changed."""
        if bundle is not None:
            return choose_for(task, name, bundle)
        key = (task, name)
        if key not in self._chosen:
            self._chosen[key] = choose_for(task, name)
        return self._chosen[key]

    def forget_bundles(self) -> None:
        """Look for bundles anew the next time."""
        self._chosen.clear()

    def release(self) -> None:
        """Let go of all networks; what they made stays."""
        self.forget_bundles()
        self._codecs.clear()
        self._painters.clear()

    def codec(self, bundle: Bundle, device: str = "auto") -> LabelCodec:
        """The label VAE of ``bundle`` on a device.

        Raises:
            DeviceError, BundleError: see there.
        """
        from SynthLogic.inference import LabelCodec

        return self._codecs.get((bundle.hash, device), lambda: LabelCodec(bundle, device))

    def painter(self, bundle: Bundle, device: str = "auto", precision: str = "auto") -> Painter:
        """The painter of ``bundle`` on a device.

        Raises:
            DeviceError, BundleError: see there.
        """
        from SynthLogic.inference import Painter

        key = (bundle.hash, device, precision)
        return self._painters.get(key, lambda: Painter(bundle, device, precision))

    def heart(self, scan: Scan, values: str = "mms", *, name: str = "") -> Heart:
        """As ``heart_labels.heart_of``, once for the same voxels."""
        return self._hearts.get((scan.content_hash, values), lambda: heart_of(scan, values, name=name))

    def known(self, content_hash: str, values: str = "mms") -> Heart | None:
        """What ``heart`` gave for voxels of that hash, if it is still kept."""
        return self._hearts.find((content_hash, values))

    def painted(self, segmentation: str) -> Heart | None:
        """What labels of that name were when they were first painted."""
        return self._painted.find(segmentation)

    def keep_painted(self, segmentation: str, heart: Heart) -> None:
        """Remember a heart for ``painted``."""
        self._painted.put(segmentation, heart)

    def latents(self, codec: LabelCodec, heart: Heart) -> FloatArray:
        """(K, D): one latent vector a slice, apex first."""
        key = (codec.bundle.hash, heart.content_hash)
        return self._latents.get(key, lambda: codec.encode(heart.short_axis.labels))

    def offspring(
        self, codec: LabelCodec, a: Heart, b: Heart | None, t: float, *, path: str = "line", slices: int = 32
    ) -> Offspring:
        """Decode the heart at ``t`` from ``a`` (0) to ``b`` (1); without ``b``, ``a`` with ``slices`` slices.

        Raises:
            InputError: other structures in one than in the other, or a heart of one slice.
        """
        parents = (a.content_hash, b and b.content_hash)
        key = (codec.bundle.hash, *parents, 0.0 if b is None else t, path, slices)

        def make() -> Offspring:
            check_blendable([("A", a)] if b is None else [("A", a), ("B", b)])
            z = self._spread(codec, a, slices)
            extent = Extent.of(a.short_axis)
            if b is not None:
                z = between(z, self._spread(codec, b, slices), t, path).astype(np.float32)
                extent = extent.between(Extent.of(b.short_axis), t)
            if b is None or t in (0, 1) or codec.bundle.card.label_input.values != _VALUES:
                labels = without_islands(codec.decode(z))
            else:
                ends = (self._ends(codec, heart, slices) for heart in (a, b))
                labels = held_between(codec.draw(z), extent.spacing(slices), *ends)
            grid = extent.grid(slices, a.short_axis.grid)
            return Offspring(labels, grid, 0.0 if b is None else t, named_volumes(labels, grid))

        return self._offspring.get(key, make)

    def style(
        self, painter: Painter, choice: StyleChoice | None, reference: Reference | None = None
    ) -> FloatArray:
        """(S,): a style as numbers; None is the middle of the bundle's first style.

        Raises:
            InputError: a style that the bundle does not have, or a scan's without a scan.
        """
        if isinstance(choice, ScanStyle) and reference is None:
            raise InputError("The style of a scan needs the scan and its labels; give both.")
        hashes = None if reference is None else (reference.image.content_hash, reference.labels.content_hash)
        key = (painter.bundle.hash, choice, hashes if isinstance(choice, ScanStyle) else None)

        def make() -> FloatArray:
            if isinstance(choice, ScanStyle):
                assert reference is not None
                return _style_of(painter, reference)
            if isinstance(choice, SeedStyle):
                return painter.style_named(None, choice.seed)
            named = choice or default_style(painter.bundle)
            return painter.style_named(named.name, named.seed)

        return self._styles.get(key, make)

    def _ends(self, codec: LabelCodec, heart: Heart, slices: int) -> Sizes:
        """How large a parent is at its end of the way."""

        def measure() -> Sizes:
            labels = without_islands(codec.decode(self._spread(codec, heart, slices)))
            return Sizes.of(labels, Extent.of(heart.short_axis).spacing(slices))

        return self._sizes.get((codec.bundle.hash, heart.content_hash, slices), measure)

    def _spread(self, codec: LabelCodec, heart: Heart, slices: int) -> FloatArray:
        """Latents of ``slices`` slices from the first to the last."""
        z = self.latents(codec, heart)
        return along_axis(z, positions(len(z)), positions(slices)).astype(np.float32)


def default_style(bundle: Bundle) -> NamedStyle:
    """The middle of the first style on the bundle's card."""
    return NamedStyle(name=bundle.card.styles[0].name)


def named_volumes(labels: NDArray[np.uint8], grid: Grid) -> dict[str, float]:
    """Volumes in ml by the structures' names in lower case, from the first slice's middle to the last's."""
    rule = "trapezoid" if len(labels) > 1 else "slices"
    volumes = volumes_ml(labels, grid.spacing, rule=rule)
    return {HeartLabel(label).name.lower(): round(ml, 3) for label, ml in volumes.items()}


def _style_of(painter: Painter, reference: Reference) -> FloatArray:
    frame = reference.labels.short_axis
    return painter.style_of(frame.resample(reference.image.volume), frame.labels)


__all__ = ["Hearts", "Offspring", "Reference", "default_style", "named_volumes"]
