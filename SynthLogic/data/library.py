"""Volumes read once, normalised, and kept in memory as half precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from SynthLogic.data.config import DataConfig, DomainConfig, Plane, SamplingConfig
from SynthLogic.data.files import SourceFile, list_files
from SynthLogic.errors import ConfigError, InputError
from SynthLogic.volume import Volume, label_fault, read_volume

PLANE_AXIS: dict[Plane, int] = {"axial": 0, "coronal": 1, "sagittal": 2}


@dataclass(frozen=True)
class Stack:
    """One volume, ready to be cut.

    Attributes:
        image: (K, J, I) float16 in [-1, 1], K to S, J to A, I to R.
        target: the clean twin, same grid; the image itself where there is none.
        spacing: (I, J, K) in mm.
        source: index of its source.
        pair: equal for images of one subject on one grid.
        slices: per plane the indices of slices that show enough body.
        labels: (K, J, I) uint8, the label map's values; None where there is none.
        middle: (K, J, I) in voxels, what patches lie around; None for the whole volume.
    """

    image: np.ndarray = field(repr=False)
    target: np.ndarray = field(repr=False)
    spacing: tuple[float, float, float]
    source: int
    pair: str
    slices: dict[Plane, np.ndarray] = field(repr=False)
    labels: np.ndarray | None = field(default=None, repr=False)
    middle: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Library:
    """A domain's volumes.

    Attributes:
        stacks: the volumes.
        weights: chance of each source, by index; 0 for one that is not here; sums to 1.
        notes: one sentence for everything left out.
    """

    stacks: tuple[Stack, ...]
    weights: tuple[float, ...]
    notes: tuple[str, ...]

    def of_source(self, source: int) -> tuple[Stack, ...]:
        """The stacks of one source."""
        return tuple(s for s in self.stacks if s.source == source)

    def counts(self, domain: DomainConfig) -> list[int]:
        """How many volumes each source of the domain gave."""
        return [len(self.of_source(index)) for index in range(len(domain.sources))]

    @property
    def drawable(self) -> int:
        """Slices that may be drawn, in all planes."""
        return sum(len(indices) for stack in self.stacks for indices in stack.slices.values())


def load_library(
    config: DataConfig,
    domain: DomainConfig,
    progress: Callable[[str], None] | None = None,
    *,
    held_out: bool = False,
) -> Library:
    """Read, orient and normalise every volume of a domain.

    Each image is fitted on itself, and so is its reference: percentiles of a noisy and a clean image differ.

    Args:
        config: all data.
        domain: one side of them.
        progress: told what is read.
        held_out: the volumes that ``split`` keeps out, instead of those that are trained on.

    Raises:
        ConfigError: see ``list_files``; or no volume has a slice to draw.
        InputError: a file cannot be read.
    """
    files, notes = list_files(config, domain, held_out=held_out)
    stacks = []
    for number, file in enumerate(files, 1):
        if progress is not None:
            progress(f"Reading {domain.modality} volume {number} of {len(files)}")
        stack = load_stack(file, domain, config)
        if stack.slices:
            stacks.append(stack)
        else:
            notes.append(
                f"A volume of {domain.sources[file.source].name!r} has no slice to draw; it is left out."
            )
    if not stacks:
        raise ConfigError(f"No {domain.modality} volume has a slice to draw; lower min_body or add planes.")
    present = {s.source for s in stacks}
    weights = [s.weight if i in present else 0.0 for i, s in enumerate(domain.sources)]
    return Library(tuple(stacks), tuple(w / sum(weights) for w in weights), tuple(notes))


def load_stack(file: SourceFile, domain: DomainConfig, config: DataConfig) -> Stack:
    """Read one volume, its reference and its label map."""
    volume, _ = read_volume(file.path).volume.canonical()
    try:
        image = domain.intensity.forward(volume)[0].astype(np.float16)
    except InputError as error:
        raise InputError(f"{file.path}: {error}") from error
    target = image
    if file.reference is not None:
        clean = _beside(file.reference, volume)
        target = domain.intensity.forward(clean)[0].astype(np.float16)
    x, y, z = (float(s) for s in volume.spacing)
    labels = None
    if file.labels is not None:
        labels = _label_values(_beside(file.labels, volume).array, file.labels)
    slices = drawable(target, (x, y, z), config.sampling, labels)
    middle = None
    if config.sampling.centre == "labels" and labels is not None and labels.any():
        k, j, i = (_middle(labels, axis) for axis in range(3))
        middle = (k, j, i)
    return Stack(image, target, (x, y, z), file.source, file.pair, slices, labels, middle)


def refuse_absent_labels(
    wanted: Mapping[str, Sequence[int]], libraries: Sequence[Library], what: str
) -> None:
    """Refuse names of labels that no label map holds: nothing could be learned of them.

    Args:
        wanted: label values by name.
        libraries: all that there is.
        what: the configuration's key, for the message.

    Raises:
        ConfigError: see above.
    """
    maps = (stack.labels for library in libraries for stack in library.stacks if stack.labels is not None)
    present = np.zeros(256, bool)
    for labels in maps if wanted else ():
        present |= np.bincount(labels.ravel(), minlength=256) > 0
    for name, values in wanted.items():
        if not present[list(values)].any():
            there = ", ".join(str(value) for value in np.flatnonzero(present) if value)
            raise ConfigError(
                f"No label map holds {what}.{name} ({', '.join(map(str, values))}); there are "
                f"{there or 'none'}: correct the values."
            )


def _beside(path: Path, volume: Volume) -> Volume:
    """What belongs to ``volume``, in the same orientation and on the same grid."""
    other, _ = read_volume(path).volume.canonical()
    if not other.grid.is_close(volume.grid):
        raise ConfigError(f"{path} is not on the grid of its image; make it again.")
    return other


def _label_values(array: np.ndarray, path: Path) -> np.ndarray:
    if label_fault(array) is not None:
        raise ConfigError(f"{path} holds something else than labels from 0 to 255; give a label map.")
    return array.astype(np.uint8)


def _middle(labels: np.ndarray, axis: int) -> float:
    """Of the labels' box along an axis, in voxels."""
    places = np.flatnonzero(labels.any(axis=_other_axes(axis)))
    return float(places[0] + places[-1]) / 2


def _other_axes(axis: int) -> tuple[int, ...]:
    return tuple(other for other in range(3) if other != axis)


def drawable(
    array: np.ndarray,
    spacing: tuple[float, float, float],
    sampling: SamplingConfig,
    labels: np.ndarray | None = None,
) -> dict[Plane, np.ndarray]:
    """Per plane that may be cut, the indices of slices with enough body.

    A stack whose slices are thicker than ``max_slice_spacing_mm``, or than twice its pixels, is cut in its
    acquisition plane alone: across it, interpolated slices would teach blur.

    Args:
        array: (K, J, I) in [-1, 1].
        spacing: (I, J, K) in mm.
        sampling: planes and thresholds.
        labels: (K, J, I) label values, for ``slices_with``.
    """
    by_axis = spacing[::-1]
    thickest = int(np.argmax(by_axis))
    in_plane = max(s for axis, s in enumerate(by_axis) if axis != thickest)
    thick = by_axis[thickest] > sampling.max_slice_spacing_mm or by_axis[thickest] > 2 * in_plane
    body = array > sampling.body_above
    slices: dict[Plane, np.ndarray] = {}
    for plane, axis in PLANE_AXIS.items():
        if sampling.planes.get(plane, 0) <= 0 or (thick and axis != thickest):
            continue
        wanted = body.mean(axis=_other_axes(axis)) >= sampling.min_body
        if sampling.slices_with and labels is not None:
            wanted &= np.isin(labels, sampling.slices_with).any(axis=_other_axes(axis))
        indices = np.flatnonzero(wanted)
        if indices.size:
            slices[plane] = indices
    return slices
