"""The typed card of a bundle: it alone decides how a scan is prepared for a network and brought back."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from SynthLogic.errors import BundleError
from SynthLogic.intensity import Pipeline
from SynthLogic.networks import REGISTER

CARD_FILE = "configs/card.json"
WEIGHT_FILES = {
    "safetensors": "models/model.safetensors",
    "torchscript": "models/model.ts",
    "onnx": "models/model.onnx",
}
_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?"
)
# Device names of Windows cannot be file names there, whatever their extension.
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")

Modality = Literal["CT", "MR"]
Task = Literal["translate", "label-vae", "paint", "segment"]
# What each task does, as in "Bundle 'x' translates scans".
DOES: dict[Task, str] = {
    "translate": "translates scans",
    "label-vae": "encodes labels",
    "paint": "paints labels",
    "segment": "finds structures",
}
# Networks that are made for one task; all others translate.
_TASK_OF_NETWORK: dict[str, Task] = {
    "label-vae": "label-vae",
    "spade-generator": "paint",
    "unet-segmenter": "segment",
}
Plane = Literal["axial", "coronal", "sagittal"]
PLANES: tuple[Plane, ...] = ("axial", "coronal", "sagittal")
_Number = TypeVar("_Number", int, float)


def safe_path(path: str) -> str:
    """Return ``path`` if it is a relative POSIX path that means the same on every system.

    Raises:
        ValueError: absolute, with ``..``, a drive, a backslash or a name some system cannot hold.
    """
    for segment in path.split("/"):
        if not _SEGMENT.fullmatch(segment) or segment.endswith(".") or _RESERVED.fullmatch(segment):
            raise ValueError(f"{path!r} is not a plain relative path such as models/model.safetensors")
    return path


def version_key(version: str) -> tuple[Any, ...]:
    """Sort key of a semantic version (semver.org, section 11): pre-releases come before their release."""
    match = _SEMVER.fullmatch(version)
    if match is None:
        raise ValueError(f"{version!r} is not a semantic version such as 1.2.0")
    numbers = tuple(int(part) for part in match.group(1, 2, 3))
    if match.group(4) is None:
        return (*numbers, 1, ())
    parts = tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in match.group(4).split("."))
    return (*numbers, 0, parts)


def _semver(version: str) -> str:
    version_key(version)
    return version


def _ordered(pair: tuple[_Number, _Number]) -> tuple[_Number, _Number]:
    if pair[0] >= pair[1]:
        raise ValueError(f"the first value must be below the second, not {pair[0]} and {pair[1]}")
    return pair


def _unique(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) != len(values):
        raise ValueError("a value occurs twice")
    return values


def _plain_json(value: Any) -> Any:
    """The value as JSON gives it back, so that a card equals itself after a round trip."""
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"it does not fit into JSON ({error})") from error


Text = Annotated[str, Field(min_length=1, pattern=r"\S")]
Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Spdx = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+() -]*$")]
LabelValue = Annotated[int, Field(ge=0, le=255)]
Path = Annotated[str, AfterValidator(safe_path)]
Json = Annotated[dict[str, Any], BeforeValidator(_plain_json)]
Range = Annotated[tuple[Number, Number], AfterValidator(_ordered)]
Lengths = Annotated[tuple[Positive, Positive], AfterValidator(_ordered)]
Fractions = Annotated[
    tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)]], AfterValidator(_ordered)
]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Channel(_Part):
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


class LabelChannel(_Part):
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


class Style(_Part):
    """One appearance that a painting network knows by name, such as a vendor's."""

    name: Text
    title: Text
    description: Text


class NetworkSpec(_Part):
    """A network of the register by name, with its keyword arguments; for foreign models, their format."""

    name: Text
    arguments: Json = {}


class Spatial(_Part):
    """What the network expects of the grid.

    ``planes``: slice directions it was trained for, the first is the default. ``spacing_mm``: in-plane
    (isotropic for 3D). ``spacing_range_mm``: native in-plane spacings that are fed without resampling.
    ``neighbours``: slices on either side that go in and come out as further channels (2.5D).
    ``divisor``: every side is padded at its end to a multiple of it. ``tile``: (J, I) or (K, J, I) voxels, or
    none for whole slices; ``overlap`` is the part of a tile shared with its neighbour.
    """

    spatial_dims: Literal[2, 3]
    planes: Annotated[tuple[Plane, ...], Field(min_length=1), AfterValidator(_unique)] = ("axial",)
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


class Coverage(_Part):
    """What the network has seen; scans far outside are warned about.

    ``field_of_view_mm``: in-plane, smallest and largest. ``value_range``: typical 1st and 99th percentile
    (CT, HU). ``lung_fraction``: lung as a share of lung and tissue in a CT, smallest and largest.
    """

    anatomy: Text
    field_of_view_mm: Lengths
    value_range: Range | None = None
    lung_fraction: Fractions | None = None


class Precision(_Part):
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


class DataSource(_Part):
    """One data set that was trained on."""

    name: Text
    licence: Text
    volumes: Annotated[int, Field(ge=0)]
    citation: Text


class Training(_Part):
    """How the weights came to be; ``recipe`` is the whole configuration."""

    method: Text
    data: tuple[DataSource, ...]
    seed: int
    iterations: Annotated[int, Field(ge=0)]
    recipe: Json = {}
    hardware: Text
    duration_s: NotNegative
    code_version: Text


class Figure(_Part):
    """One measured quality, for example MAE 62.1 HU on "10 unseen phantoms"."""

    name: Text
    value: Number
    units: str
    on: Text


class Licence(_Part):
    """SPDX identifier of the weights' licence; a restricted one asks for consent to ``notice`` once."""

    spdx: Spdx
    restricted: bool = False
    notice: str = ""

    @model_validator(mode="after")
    def _notice_if_restricted(self) -> Licence:
        if self.restricted and not self.notice.strip():
            raise ValueError("notice is missing; a restricted licence must say what it asks of the user")
        return self


class Card(_Part):
    """Everything that decides what a bundle does and may be used for.

    ``task``: "translate" makes an image from an image; "label-vae" labels from labels, by way of a latent
    vector for each slice; "paint" an MR image from labels and a style; "segment" labels from an image, and
    from a ``second`` one of the same subject if the card names it. A card that paints, and no other, has
    ``styles``, in the order of the network's, and ``reference``: images that a style can be read from.
    ``masks``: for a card that translates labels along with the image, the label values of each mask by its
    name, in the order of the network's channels.
    ``files`` maps the POSIX path of every file of the bundle but the card itself to its SHA-256.
    """

    schema_version: Literal[1] = 1
    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
    version: Annotated[str, AfterValidator(_semver)]
    title: Text
    description: Text
    task: Task = "translate"
    input: AnyChannel
    output: AnyChannel
    styles: tuple[Style, ...] = ()
    reference: Channel | None = None
    second: Channel | None = None
    masks: dict[Text, Annotated[tuple[LabelValue, ...], Field(min_length=1)]] = {}
    network: NetworkSpec
    spatial: Spatial
    coverage: Coverage
    precision: Precision
    training: Training
    figures: tuple[Figure, ...] = ()
    licence: Licence
    limits: tuple[Text, ...] = ()
    format: Literal["safetensors", "torchscript", "onnx"] = "safetensors"
    files: dict[Path, Sha256] = {}

    @field_validator("name")
    @classmethod
    def _name_is_a_folder(cls, name: str) -> str:
        return safe_path(name)

    @field_validator("output")
    @classmethod
    def _output_needs_no_fit(cls, output: Channel | LabelChannel) -> Channel | LabelChannel:
        if isinstance(output, LabelChannel):
            return output
        kinds = [step.kind for step in output.intensity.steps]
        if not kinds or set(kinds) != {"window"}:
            raise ValueError(
                "intensity must be made of windows, since nothing can be fitted to an image not yet made"
            )
        return output

    @field_validator("styles")
    @classmethod
    def _styles_are_distinct(cls, styles: tuple[Style, ...]) -> tuple[Style, ...]:
        if len({style.name for style in styles}) != len(styles):
            raise ValueError("two styles have the same name")
        return styles

    @field_validator("files")
    @classmethod
    def _files_are_distinct(cls, files: dict[str, str]) -> dict[str, str]:
        if len({path.lower() for path in files}) != len(files):
            raise ValueError("two paths differ only in upper and lower case")
        if CARD_FILE in {path.lower() for path in files}:
            raise ValueError(f"{CARD_FILE} cannot hold its own hash")
        return files

    @model_validator(mode="after")
    def _network_fits_format(self) -> Card:
        known = self.network.name in REGISTER
        if known and self.format != "safetensors":
            raise ValueError(f"format must be safetensors for the network {self.network.name}")
        if self.format != "safetensors" and self.network.name != self.format:
            raise ValueError(f"network.name must be {self.format!r} for the format {self.format}")
        return self

    @model_validator(mode="after")
    def _parts_fit_task(self) -> Card:
        made_for = _TASK_OF_NETWORK.get(self.network.name, "translate")
        if made_for != self.task:
            raise ValueError(
                f"task must be {made_for!r} for the network {self.network.name}, not {self.task!r}"
            )
        labels = [isinstance(channel, LabelChannel) for channel in (self.input, self.output)]
        expected = {
            "translate": [False, False],
            "label-vae": [True, True],
            "paint": [True, False],
            "segment": [False, True],
        }[self.task]
        if labels != expected:
            words = ["labels" if given else "an image" for given in expected]
            raise ValueError(f"task {self.task!r} needs {words[0]} as input and {words[1]} as output")
        if self.task == "label-vae" and _labels(self.input) != _labels(self.output):
            raise ValueError("output must have the labels of the input, in the same order")
        if self.task == "paint":
            if self.output.modality != "MR":
                raise ValueError(f"task 'paint' makes MR, not {self.output.modality}")
            if not self.styles or self.reference is None:
                raise ValueError("task 'paint' needs styles and reference")
            if self.reference.modality != self.output.modality:
                raise ValueError("reference must have the modality of the output")
        elif self.styles or self.reference is not None:
            raise ValueError(f"styles and reference belong to the task 'paint', not to {self.task!r}")
        if self.masks and self.task != "translate":
            raise ValueError(f"masks belong to the task 'translate', not to {self.task!r}")
        if self.second is not None and self.task != "segment":
            raise ValueError(f"second belongs to the task 'segment', not to {self.task!r}")
        if self.task not in ("translate", "segment") and self.spatial.spatial_dims != 2:
            raise ValueError(f"task {self.task!r} works on slices; spatial.spatial_dims must be 2")
        return self

    def expect(self, task: Task) -> None:
        """Check that the bundle does ``task``.

        Raises:
            BundleError: it does another.
        """
        if self.task != task:
            raise BundleError(f"Bundle {self.name!r} {DOES[self.task]}; choose one that {DOES[task]}.")

    @property
    def runs_in_monai(self) -> bool:
        """Whether MONAI's own parts can take a file to a file: one image in, one image or labels out."""
        alone = not self.spatial.neighbours and not self.masks
        return self.task != "segment" and alone

    @property
    def scan_alone(self) -> bool:
        """Whether it translates a scan that comes without a label map and without a second image."""
        return self.task == "translate" and not self.masks and self.second is None

    @property
    def image_input(self) -> Channel:
        """``input`` of a card that translates.

        Raises:
            BundleError: the input is labels.
        """
        if isinstance(self.input, LabelChannel):
            raise BundleError(f"Bundle {self.name!r} {DOES[self.task]}: its input is not an image.")
        return self.input

    @property
    def image_output(self) -> Channel:
        """``output`` of a card that translates or paints.

        Raises:
            BundleError: the output is labels.
        """
        if isinstance(self.output, LabelChannel):
            raise BundleError(f"Bundle {self.name!r} {DOES[self.task]}: its output is not an image.")
        return self.output

    @property
    def label_output(self) -> LabelChannel:
        """``output`` of a card that finds structures or decodes labels.

        Raises:
            BundleError: the output is an image.
        """
        if isinstance(self.output, Channel):
            raise BundleError(f"Bundle {self.name!r} {DOES[self.task]}: its output is not labels.")
        return self.output

    @property
    def label_input(self) -> LabelChannel:
        """``input`` of a card that encodes or paints labels.

        Raises:
            BundleError: the input is an image.
        """
        if isinstance(self.input, Channel):
            raise BundleError(f"Bundle {self.name!r} {DOES[self.task]}: its input is not labels.")
        return self.input

    @property
    def weights_path(self) -> str:
        """POSIX path of the weights inside the bundle."""
        return WEIGHT_FILES[self.format]

    def with_files(self, files: dict[str, str]) -> Card:
        """The same card with other file hashes, validated."""
        return Card.from_data({**self.model_dump(mode="json"), "files": files})

    def to_json(self) -> str:
        """The card as indented JSON; ``from_json`` of it equals this card."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Card:
        """Read a card.

        Raises:
            BundleError: not JSON, or a field is missing, unknown or wrong; the sentence names the field.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BundleError(
                f"The card {CARD_FILE} is not valid JSON ({_one_line(str(error))}); correct it."
            ) from error
        return cls.from_data(data)

    @classmethod
    def from_data(cls, data: Any) -> Card:
        """Build a card from plain data; raises as ``from_json`` does."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise BundleError(_sentence(error)) from error


def _labels(channel: Channel | LabelChannel) -> tuple[tuple[str, int], ...]:
    return tuple(channel.labels.items()) if isinstance(channel, LabelChannel) else ()


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _place(error: ErrorDetails) -> list[str]:
    """Where in the card, without the kind of channel that pydantic puts after input and output."""
    place = [str(part) for part in error["loc"]]
    if place[0:1] in (["input"], ["output"]):
        if place[1:2] in (["CT"], ["MR"], ["labels"]):
            del place[1]
        elif error["type"].startswith("union_tag"):
            place.append("modality")
    return place


def _sentence(error: ValidationError) -> str:
    first, *others = error.errors(include_url=False)
    where = ".".join(_place(first)) or "card"
    what = _one_line(first["msg"].removeprefix("Value error, "))
    more = f" (and {len(others)} more)" if others else ""
    return f"The bundle's card is wrong in {where!r}: {what}{more}; correct {CARD_FILE}."
