"""What can be asked about hearts, as frozen JSON: paint labels, blend two hearts, make a cohort."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from SynthLogic.jobs.requests import Document

Name = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
Device = Annotated[str, Field(pattern=r"^[a-z0-9:]+$", max_length=16)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Path = Literal["line", "circle"]
LabelValues = Annotated[str, Field(min_length=1, max_length=400)]
Split = Literal["train", "val", "test"]
# One slice alone would be the apex.
MIN_SLICES, MAX_SLICES = 2, 300


class NamedStyle(Document):
    """A style of the bundle's card: its middle, or with ``seed`` one drawn from it."""

    kind: Literal["named"] = "named"
    name: Annotated[str, Field(min_length=1, max_length=64)]
    seed: Seed | None = None


class SeedStyle(Document):
    """A style drawn at random from all styles of the bundle."""

    kind: Literal["seed"] = "seed"
    seed: Seed


class ScanStyle(Document):
    """The style of a reference scan, which is given apart, with its labels."""

    kind: Literal["scan"] = "scan"


StyleChoice = Annotated[NamedStyle | SeedStyle | ScanStyle, Field(discriminator="kind")]


class _HeartRequest(Document):
    """What all requests share.

    ``model`` and ``codec`` name installed bundles, None the best one: the first paints labels, the second is
    a label VAE. ``device`` is "auto", "cpu", "cuda" or "cuda:N". ``labels`` says what the values of label
    maps are: "mms" (as ``HeartLabel``), "acdc", or each value, as "1=lv,2=myo,3=rv". ``force`` goes on
    although the labels do not look like a heart.
    """

    model: Name | None = None
    device: Device = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    labels: LabelValues = "mms"
    force: bool = False


class PaintRequest(_HeartRequest):
    """Paint one label map.

    Attributes:
        style: None takes the middle of the bundle's first style.
    """

    kind: Literal["paint"] = "paint"
    style: StyleChoice | None = None


class InterpolateRequest(_HeartRequest):
    """Make hearts between two, or one heart with more slices.

    Attributes:
        steps: hearts between the two, at equal distances, ends left out; a heart alone gives one.
        slices: of every heart made.
        path: straight in latent space, or on the great circle.
        style_a: at the first heart; None takes the middle of the bundle's first style.
        style_b: at the second; None takes ``style_a``.
        labels_only: do not paint.
    """

    kind: Literal["interpolate"] = "interpolate"
    codec: Name | None = None
    steps: Annotated[int, Field(ge=1, le=1000)] = 8
    slices: Annotated[int, Field(ge=MIN_SLICES, le=MAX_SLICES)] = 32
    path: Path = "line"
    style_a: StyleChoice | None = None
    style_b: StyleChoice | None = None
    labels_only: bool = False

    def positions(self, alone: bool) -> tuple[float, ...]:
        """Where between the hearts (0 to 1) each step lies."""
        return (0.0,) if alone else tuple(n / (self.steps + 1) for n in range(1, self.steps + 1))


class CohortRequest(_HeartRequest):
    """Make offspring of many pairs of hearts, as a folder that a segmentation network trains on.

    Attributes:
        layout: "nnunet" (raw), "bids" (derivatives) or "plain" (NIfTI and CSV).
        title: of the cohort; nnU-Net takes it into the folder's name.
        steps, slices, path: as in ``InterpolateRequest``.
        pairs: "all", or pairs of places in the list of subjects.
        styles: each offspring is painted in each of them; none takes the middle of every named style.
        parents: also the subjects themselves, with ``slices`` slices.
        keep_parent_names: whether names, tables and records may hold the subjects' own names.
        dataset_id: nnU-Net's number.
        licence: of the images, such as "CC0-1.0", for the tables; it follows from the hearts' own.
        authors: for the tables.
    """

    kind: Literal["cohort"] = "cohort"
    layout: Literal["nnunet", "bids", "plain"]
    title: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9]*$", max_length=40)] = "SyntheticHearts"
    codec: Name | None = None
    steps: Annotated[int, Field(ge=1, le=1000)] = 8
    slices: Annotated[int, Field(ge=MIN_SLICES, le=MAX_SLICES)] = 32
    path: Path = "line"
    pairs: Literal["all"] | tuple[tuple[int, int], ...] = "all"
    styles: tuple[StyleChoice, ...] = ()
    parents: bool = False
    keep_parent_names: bool = False
    dataset_id: Annotated[int, Field(ge=1, le=999)] = 501
    licence: Annotated[str, Field(max_length=200)] = ""
    authors: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = ()

    @field_validator("styles")
    @classmethod
    def _styles_differ(cls, styles: tuple[StyleChoice, ...]) -> tuple[StyleChoice, ...]:
        known = [style for style in styles if style.kind != "scan"]
        if len(set(known)) != len(known):
            raise ValueError("a style occurs twice")
        return styles

    @model_validator(mode="after")
    def _something_to_make(self) -> CohortRequest:
        if self.pairs == () and not self.parents:
            raise ValueError("there are neither pairs nor parents to make")
        if self.pairs != "all" and any(a == b or min(a, b) < 0 for a, b in self.pairs):
            raise ValueError("a pair must be two different subjects")
        return self


HeartRequest = Annotated[PaintRequest | InterpolateRequest | CohortRequest, Field(discriminator="kind")]

__all__ = [
    "CohortRequest",
    "HeartRequest",
    "InterpolateRequest",
    "NamedStyle",
    "PaintRequest",
    "ScanStyle",
    "SeedStyle",
    "Split",
    "StyleChoice",
]
