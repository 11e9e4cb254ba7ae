"""Hearts read once, brought into the short-axis frame and kept in memory as slices."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from SynthLogic.data.find import find_files
from SynthLogic.data.heart_config import STRUCTURE_NAMES, WORD, HeartDataConfig, HeartSource, label_of
from SynthLogic.errors import ConfigError, InputError
from SynthLogic.hearts.rv_wall import without_rv_wall
from SynthLogic.hearts.sampling import sample_labels
from SynthLogic.hearts.short_axis import ShortAxis, to_short_axis
from SynthLogic.volume import Grid, Volume, read_volume

# Of an image's brightness in the frame; these become -1 and 1.
PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True)
class HeartFile:
    """One stack of a source.

    Attributes:
        labels: the label map.
        image: the image beside it, or None.
        source: index of the source.
        subject: what to call the subject.
        style: index of the style, or None.
    """

    labels: Path
    image: Path | None
    source: int
    subject: str
    style: int | None


@dataclass(frozen=True)
class HeartStack:
    """One heart, ready to be cut.

    Attributes:
        labels: (K, side, side) uint8 of ``HeartLabel``, apex at k = 0; side is size + 2 margin.
        image: (K, side, side) float16 in [-1, 1], or None.
        source: index of its source.
        style: index of its style; 0 where it has none.
        complete: for background and the labels in turn, whether it is labelled wherever it is.
        slices: indices of slices to draw.
        heights: (K,) float32, 0 at the most apical labelled slice and 1 at the most basal one.
    """

    labels: np.ndarray = field(repr=False)
    image: np.ndarray | None = field(repr=False)
    source: int
    style: int
    complete: tuple[bool, ...]
    slices: np.ndarray = field(repr=False)
    heights: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class HeartLibrary:
    """All hearts of a training.

    Attributes:
        stacks: the hearts.
        weights: chance of each source, by index; 0 for one that is not here; sums to 1.
        notes: one sentence for everything left out.
    """

    stacks: tuple[HeartStack, ...]
    weights: tuple[float, ...]
    notes: tuple[str, ...]

    def of_source(self, source: int) -> tuple[HeartStack, ...]:
        """The stacks of one source."""
        return tuple(s for s in self.stacks if s.source == source)


def list_hearts(config: HeartDataConfig, images: bool) -> tuple[list[HeartFile], list[str]]:
    """Find label maps, and with ``images`` the image and style of each.

    Returns:
        The files, and one sentence for every optional source that is not here.

    Raises:
        ConfigError: see ``find_files``; or an image or a style is missing.
    """
    found, missing = find_files(config, config.sources, "heart data")
    files = []
    for entry in found:
        path, source = entry.path, config.sources[entry.source]
        image = _image_of(path, source) if images else None
        style = _style_of(path, source, config) if images else None
        files.append(HeartFile(path, image, entry.source, entry.subject, style))
    return files, missing


def load_hearts(
    config: HeartDataConfig, images: bool, progress: Callable[[str], None] | None = None
) -> HeartLibrary:
    """Read every heart; with ``images`` the images too.

    Raises:
        ConfigError: see ``list_hearts``; or no heart has a slice to draw.
        InputError: a file cannot be read, or shows no heart.
    """
    files, notes = list_hearts(config, images)
    stacks = []
    for number, file in enumerate(files, 1):
        if progress is not None and (number % 20 == 0 or number in (1, len(files))):
            progress(f"Reading heart {number} of {len(files)}")
        try:
            stack = load_heart(file, config)
        except InputError as error:
            raise InputError(f"{file.labels}: {error}") from error
        if len(stack.slices):
            stacks.append(stack)
        else:
            name = config.sources[file.source].name
            notes.append(f"A heart of {name!r} has no slice to draw; it is left out.")
    if not stacks:
        raise ConfigError("No heart has a slice to draw; widen 'heights' of its source.")
    present = {s.source for s in stacks}
    weights = [s.weight if i in present else 0.0 for i, s in enumerate(config.sources)]
    return HeartLibrary(tuple(stacks), tuple(w / sum(weights) for w in weights), tuple(notes))


def load_heart(file: HeartFile, config: HeartDataConfig) -> HeartStack:
    """Read one heart and bring it into the short-axis frame."""
    source = config.sources[file.source]
    read = read_volume(file.labels).volume
    table = np.zeros(256, np.uint8)
    for value, name in source.labels.items():
        table[value] = label_of(name)
    labels = Volume(table[np.clip(np.rint(read.array), 0, 255).astype(np.uint8)], read.ijk_to_ras)
    frame = to_short_axis(
        labels,
        size=config.size,
        pixel_mm=config.pixel_mm,
        slice_mm=source.slice_mm,
        slices="all" if source.beyond else "labelled",
    )
    frame = _with_margin(frame, labels, config.margin)
    if source.rv_wall:
        frame = frame.with_labels(without_rv_wall(frame.labels))
    image = None
    if file.image is not None:
        image = normalised(frame.resample(read_volume(file.image).volume), config.margin)
    found = np.flatnonzero(frame.labels.any(axis=(1, 2)))
    low, high = int(found[0]), int(found[-1])
    heights = (np.arange(len(frame.labels), dtype=np.float32) - low) / max(high - low, 1)
    slices = np.arange(max(0, low - source.beyond), min(len(heights), high + source.beyond + 1))
    lowest, highest = (0, 1) if len(found) == 1 else source.heights
    inside = heights[slices].clip(0, 1)
    return HeartStack(
        labels=frame.labels,
        image=image,
        source=file.source,
        style=file.style or 0,
        complete=(True, *(name in source.complete for name in STRUCTURE_NAMES)),
        slices=slices[(inside >= lowest) & (inside <= highest)],
        heights=heights.clip(0, 1),
    )


def _with_margin(frame: ShortAxis, labels: Volume, margin: int) -> ShortAxis:
    """The same frame, wider: rotated and shifted slices are filled from there."""
    matrix = frame.grid.ijk_to_ras.copy()
    matrix[:3, 3] -= margin * (matrix[:3, 0] + matrix[:3, 1])
    slices, rows, columns = frame.grid.shape
    shape = (slices, rows + 2 * margin, columns + 2 * margin)
    wide = Grid(shape, matrix)
    canonical, _ = labels.canonical()
    index_map = np.linalg.inv(canonical.ijk_to_ras) @ matrix
    return ShortAxis(sample_labels(canonical.array, index_map, shape), wide, frame.source)


def normalised(image: np.ndarray, margin: int) -> np.ndarray:
    """Percentiles of what lies within the margin to [-1, 1], as float16; the same for a whole stack."""
    inner = image[:, margin : image.shape[1] - margin, margin : image.shape[2] - margin]
    low, high = np.percentile(inner, PERCENTILES)
    scaled = (image - low) / max(float(high - low), 1e-6) * 2 - 1
    clipped: np.ndarray = scaled.clip(-1, 1).astype(np.float16)
    return clipped


def _image_of(path: Path, source: HeartSource) -> Path:
    if source.image is None:
        raise ConfigError(f"Source {source.name!r} has no images, which are to be learned; say 'image'.")
    if source.image.replace not in path.name:
        raise ConfigError(
            f"{path.name} of source {source.name!r} does not contain {source.image.replace!r}; "
            "correct 'image.replace'."
        )
    image = path.with_name(path.name.replace(source.image.replace, source.image.by))
    if image == path or not image.is_file():
        raise ConfigError(f"Image {image} is missing beside {path.name}; correct 'image' or the folder.")
    return image


def _style_of(path: Path, source: HeartSource, config: HeartDataConfig) -> int:
    if source.style is None:
        raise ConfigError(f"Source {source.name!r} has no style; name one, for example its vendor.")
    words: dict[str, Any] = {}
    if WORD.search(source.style):
        account = path.parent / "subject.json"
        try:
            words = json.loads(account.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{account} cannot be read, but names the style of source {source.name!r}."
            ) from error
    for key in WORD.findall(source.style):
        if key not in words:
            raise ConfigError(f"{path.parent / 'subject.json'} has no {key!r}; correct 'style'.")
    style = WORD.sub(lambda match: str(words[match[1]]), source.style)
    if style not in config.style_names:
        raise ConfigError(f"Style {style!r} of {path} is not in data.styles {config.style_names}; add it.")
    return config.style_names.index(style)
