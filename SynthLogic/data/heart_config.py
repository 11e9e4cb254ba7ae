"""Hearts to train on: label maps of short-axis stacks, the images beside them, and how slices are drawn."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from SynthLogic.data.config import FilesConfig, FileSource, Strict
from SynthLogic.hearts.labels import HeartLabel

StructureName = Literal["lv_cavity", "myocardium", "rv_cavity"]
STRUCTURE_NAMES: tuple[StructureName, ...] = ("lv_cavity", "myocardium", "rv_cavity")
Range = tuple[float, float]
_VALUES: dict[int, StructureName] = {1: "lv_cavity", 2: "myocardium", 3: "rv_cavity"}
_DROP: dict[StructureName, float] = {"rv_cavity": 0.1, "myocardium": 0.03}
WORD = re.compile(r"\{(\w+)\}")


def label_of(name: StructureName) -> HeartLabel:
    """The label that a configuration names."""
    return HeartLabel[name.upper()]


class ImageRule(Strict):
    """The image's name is the label map's with ``by`` in place of ``replace``, in the same folder."""

    replace: str = Field(min_length=1)
    by: str


class HeartSource(FileSource):
    """Label maps of one origin; ``glob`` finds these.

    Attributes:
        image: how to find the image beside a label map, on any grid; null for labels alone.
        style: name of the images' appearance, such as their vendor; ``{KEY}`` stands for that entry of the
            ``subject.json`` in the file's folder.
        labels: which value of the files is which structure; other values are background.
        complete: structures that these files label; the others may be there, unlabelled.
        beyond: how many slices without labels are used at either end of a heart.
        heights: slices between these are used, 0 at the apex and 1 at the base; for labels that are rough at
            the ends.
        rv_wall: the files give the right ventricle's wall the label of the myocardium; it is taken away.
        slice_mm: how far apart slices are cut where the files have no short-axis slices of their own.
    """

    image: ImageRule | None = None
    style: str | None = None
    labels: dict[int, StructureName] = Field(default_factory=lambda: dict(_VALUES))
    complete: tuple[StructureName, ...] = STRUCTURE_NAMES
    beyond: int = Field(default=0, ge=0)
    heights: Range = (0.0, 1.0)
    rv_wall: bool = False
    slice_mm: float = Field(default=8.0, gt=0)

    @model_validator(mode="after")
    def _labels_make_sense(self) -> HeartSource:
        if not self.labels or min(self.labels) < 1 or max(self.labels) > 255:
            raise ValueError("labels must name at least one value from 1 to 255")
        absent = sorted(set(self.complete) - set(self.labels.values()))
        if absent:
            raise ValueError(f"complete names {absent[0]!r}, which no value of labels stands for")
        if not 0 <= self.heights[0] < self.heights[1] <= 1:
            raise ValueError(f"heights is {list(self.heights)}; it must ascend from 0 at least to 1 at most")
        return self


class StyleConfig(Strict):
    """One appearance: how sources and card name it, what people see, and what it is."""

    name: str = Field(min_length=1)
    title: str
    description: str


class HeartAugmentation(Strict):
    """What is done to a slice; geometry to labels and images alike.

    Attributes:
        rotation_deg: drawn from plus or minus this.
        scale: factor of size.
        shift_mm: drawn from plus or minus this, in both directions.
        bend_mm: standard deviation of the smooth displacements; small enough never to fold.
        drop: chance that a structure's label is taken away, so that incomplete label maps are known.
        gain: factor of an image's brightness above black.
        gamma: exponent of an image's brightness.
    """

    rotation_deg: float = Field(default=15.0, ge=0, le=180)
    scale: Range = (0.85, 1.15)
    shift_mm: float = Field(default=6.0, ge=0, le=30)
    bend_mm: float = Field(default=3.0, ge=0, le=6)
    drop: dict[StructureName, float] = Field(default_factory=lambda: dict(_DROP))
    gain: Range = (0.95, 1.05)
    gamma: Range = (0.95, 1.05)

    @field_validator("scale", "gain", "gamma")
    @classmethod
    def _ascends(cls, bounds: Range) -> Range:
        if not 0 < bounds[0] <= bounds[1]:
            raise ValueError(f"{list(bounds)} must be two ascending numbers above 0")
        return bounds

    @field_validator("drop")
    @classmethod
    def _chances(cls, drop: dict[StructureName, float]) -> dict[StructureName, float]:
        if any(not 0 <= chance < 1 for chance in drop.values()):
            raise ValueError("chances must lie from 0 to below 1")
        return drop


class HeartDataConfig(FilesConfig):
    """Hearts and what is done with them.

    Attributes:
        sources: the files.
        styles: every style that the sources have, in the order of the network's; for methods that paint.
        size: pixels of a slice's side.
        pixel_mm: their size.
        margin: pixels kept around a slice, from which rotated and shifted ones are filled.
        augmentation: see there.
    """

    sources: tuple[HeartSource, ...] = Field(min_length=1)
    styles: tuple[StyleConfig, ...] = ()
    size: int = Field(default=128, ge=32, multiple_of=32)
    pixel_mm: float = Field(default=1.5, gt=0)
    margin: int = Field(default=16, ge=0)
    augmentation: HeartAugmentation = HeartAugmentation()

    def all_sources(self) -> tuple[FileSource, ...]:
        """The sources."""
        return self.sources

    @property
    def style_names(self) -> list[str]:
        """Names in the order of the network's styles."""
        return [style.name for style in self.styles]

    @field_validator("styles")
    @classmethod
    def _styles_apart(cls, styles: tuple[StyleConfig, ...]) -> tuple[StyleConfig, ...]:
        if len({style.name for style in styles}) != len(styles):
            raise ValueError("two styles have the same name")
        return styles

    @model_validator(mode="after")
    def _styles_known(self) -> HeartDataConfig:
        for source in self.sources:
            named = source.style is not None and not WORD.search(source.style)
            if named and self.styles and source.style not in self.style_names:
                raise ValueError(
                    f"style {source.style!r} of source {source.name!r} is not among {self.style_names}"
                )
        return self
