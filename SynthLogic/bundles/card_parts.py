"""The parts of a card: channels, network, grid, coverage, precision, training, licence."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from SynthLogic.bundles.card_types import (
    Fractions,
    Json,
    LabelValue,
    Lengths,
    Modality,
    NotNegative,
    Number,
    Plane,
    Positive,
    Range,
    Sha256,
    Spdx,
    Text,
    unique,
)
from SynthLogic.intensity import Pipeline


class Part(BaseModel):
    """Frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Channel(Part):
    """One image going in or out.

    ``background`` is the value outside the field of view, in ``units``; ``intensity`` maps units to [-1, 1];
    ``dtype`` is how voxels are stored in a file.
    """

    modality: Modality
    units: Literal["HU", "a.u."]
    intensity: Pipeline
    background: Number
    dtype: Literal["int16", "float32"]

    @field_validator("units")
    @classmethod
    def _units_of_modality(cls, units: str, info: ValidationInfo) -> str:
        expected = {"CT": "HU", "MR": "a.u."}.get(info.data.get("modality", ""))
        if expected not in (None, units):
            raise ValueError(f"{info.data['modality']} is in {expected}, not in {units}")
        return units


class LabelChannel(Part):
    """Labels going in or out, uint8.

    ``labels``: the value of each by its name, background first and 0, in the order of the network's channels:
    ``{"background": 0, "lv_cavity": 1, "myocardium": 2, "rv_cavity": 3}``. The rest is the same for all.
    """

    modality: Literal["labels"] = "labels"
    units: Literal["labels"] = "labels"
    labels: Annotated[dict[Text, LabelValue], Field(min_length=2, max_length=255)]
    background: Literal[0] = 0
    dtype: Literal["uint8"] = "uint8"

    @field_validator("labels")
    @classmethod
    def _values_are_distinct(cls, labels: dict[str, int]) -> dict[str, int]:
        values = list(labels.values())
        if len(set(values)) != len(values):
            raise ValueError("two labels have the same value")
        if values[0] != 0:
            raise ValueError("the first label must be the background, with the value 0")
        return labels

    @property
    def values(self) -> tuple[int, ...]:
        """Values in the order of the network's channels."""
        return tuple(self.labels.values())

    def __hash__(self) -> int:
        return hash(tuple(self.labels.items()))


AnyChannel = Annotated[Channel | LabelChannel, Field(discriminator="modality")]


class Style(Part):
    """One appearance that a painting network knows by name, such as a vendor's."""

    name: Text
    title: Text
    description: Text


class NetworkSpec(Part):
    """A network of the register by name, with its keyword arguments; for foreign models, their format."""

    name: Text
    arguments: Json = {}


class Spatial(Part):
    """What the network expects of the grid.

    ``planes``: slice directions it was trained for, the first is the default. ``spacing_mm``: in-plane
    (isotropic for 3D). ``spacing_range_mm``: native in-plane spacings that are fed without resampling.
    ``neighbours``: slices on either side that go in and come out as further channels (2.5D).
    ``divisor``: every side is padded at its end to a multiple of it. ``tile``: (J, I) or (K, J, I) voxels, or
    none for whole slices; ``overlap`` is the part of a tile shared with its neighbour.
    """

    spatial_dims: Literal[2, 3]
    planes: Annotated[tuple[Plane, ...], Field(min_length=1), AfterValidator(unique)] = ("axial",)
    spacing_mm: Positive
    spacing_range_mm: Lengths
    neighbours: Annotated[int, Field(ge=0, le=8)] = 0
    divisor: Annotated[int, Field(gt=0, le=1024)]
    tile: tuple[Annotated[int, Field(gt=0, le=4096)], ...] | None = None
    overlap: Annotated[float, Field(ge=0, lt=1)] = 0.25

    @model_validator(mode="after")
    def _consistent(self) -> Spatial:
        low, high = self.spacing_range_mm
        if not low <= self.spacing_mm <= high:
            raise ValueError(f"spacing_mm {self.spacing_mm} lies outside spacing_range_mm {low} to {high}")
        if self.neighbours and self.spatial_dims == 3:
            raise ValueError("neighbours belong to slices, not to a 3D network")
        if self.tile is None:
            if self.spatial_dims == 3:
                raise ValueError("tile is missing; a 3D network needs one of three sizes")
            return self
        if len(self.tile) != self.spatial_dims:
            raise ValueError(f"tile needs {self.spatial_dims} sizes, not {len(self.tile)}")
        if any(size % self.divisor for size in self.tile):
            raise ValueError(f"tile {self.tile} is not divisible by divisor {self.divisor}")
        return self


class Coverage(Part):
    """What the network has seen; scans far outside are warned about.

    ``field_of_view_mm``: in-plane, smallest and largest. ``value_range``: typical 1st and 99th percentile
    (CT, HU). ``lung_fraction``: lung as a share of lung and tissue in a CT, smallest and largest.
    """

    anatomy: Text
    field_of_view_mm: Lengths
    value_range: Range | None = None
    lung_fraction: Fractions | None = None


class Precision(Part):
    """Mean absolute difference from fp32 as measured, and the largest allowed, both in output units."""

    bf16_mean_difference: NotNegative | None = None
    fp16_mean_difference: NotNegative | None = None
    tolerance: NotNegative

    def allows(self, precision: str) -> bool:
        """Whether ``precision`` ("fp32", "bf16", "fp16") was measured to stay within the tolerance."""
        if precision == "fp32":
            return True
        measured = {"bf16": self.bf16_mean_difference, "fp16": self.fp16_mean_difference}.get(precision)
        return measured is not None and measured <= self.tolerance


class DataSource(Part):
    """One data set that was trained on."""

    name: Text
    licence: Text
    volumes: Annotated[int, Field(ge=0)]
    citation: Text


class Ancestor(Part):
    """A bundle whose weights a training began with; ``weights`` is the SHA-256 of their file."""

    name: Text
    version: Text
    weights: Sha256


class Training(Part):
    """How the weights came to be; ``recipe`` is the whole configuration.

    ``data`` is what the weights have seen, that of the bundles in ``started_from`` included; iterations and
    time are of this training alone.
    """

    method: Text
    data: tuple[DataSource, ...]
    started_from: tuple[Ancestor, ...] = ()
    seed: int
    iterations: Annotated[int, Field(ge=0)]
    recipe: Json = {}
    hardware: Text
    duration_s: NotNegative
    code_version: Text


class Figure(Part):
    """One measured quality, for example MAE 62.1 HU on "10 unseen phantoms"."""

    name: Text
    value: Number
    units: str
    on: Text


class Licence(Part):
    """SPDX identifier of the weights' licence; a restricted one asks for consent to ``notice`` once."""

    spdx: Spdx
    restricted: bool = False
    notice: str = ""

    @model_validator(mode="after")
    def _notice_if_restricted(self) -> Licence:
        if self.restricted and not self.notice.strip():
            raise ValueError("notice is missing; a restricted licence must say what it asks of the user")
        return self
