"""The typed card of a bundle: it alone decides how a scan is prepared for a network and brought back."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from SynthLogic.bundles.card_parts import (
    AnyChannel,
    Channel,
    Coverage,
    Figure,
    LabelChannel,
    Licence,
    NetworkSpec,
    Part,
    Precision,
    Spatial,
    Style,
    Training,
)
from SynthLogic.bundles.card_types import (
    LabelValue,
    Path,
    Sha256,
    Text,
    safe_path,
    semver,
)
from SynthLogic.errors import BundleError
from SynthLogic.networks import REGISTER

CARD_FILE = "configs/card.json"
WEIGHT_FILES = {
    "safetensors": "models/model.safetensors",
    "torchscript": "models/model.ts",
    "onnx": "models/model.onnx",
}
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


class Card(Part):
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
    version: Annotated[str, AfterValidator(semver)]
    title: Text
    description: Text
    task: Task = "translate"
    input: AnyChannel
    output: AnyChannel
    styles: tuple[Style, ...] = ()
    reference: Channel | None = None
    second: Channel | None = None
    masks: dict[Text, Annotated[tuple[LabelValue, ...], Field(min_length=1)]] = Field(default_factory=dict)
    network: NetworkSpec
    spatial: Spatial
    coverage: Coverage
    precision: Precision
    training: Training
    figures: tuple[Figure, ...] = ()
    licence: Licence
    limits: tuple[Text, ...] = ()
    format: Literal["safetensors", "torchscript", "onnx"] = "safetensors"
    files: dict[Path, Sha256] = Field(default_factory=dict)

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
