"""What is asked of an evaluation."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from SynthLogic.errors import ConfigError
from SynthLogic.jobs.requests import Document, Modality


class EvaluateRequest(Document):
    """How images or label maps are compared.

    Attributes:
        kind: "images", or "labels" for label maps; never guessed.
        mask: "all" voxels, or those of the "body" in the truth (the input where there is no truth).
        modality: of output and truth; None: read from the truth's values where they leave no doubt.
        window: (lower, upper) mapped to [0, 255], in the images' units; None: Hiasa's for the modality.
        bins: of each axis of the joint histogram.
        names: label value -> name; regions are these if there are any, else every value but 0.
        misalignment: also register output and input, or truth; takes some seconds an image.
        seed: of the bootstrap.
    """

    task: Literal["evaluate"] = "evaluate"
    kind: Literal["images", "labels"] = "images"
    mask: Literal["all", "body"] = "all"
    modality: Modality | None = None
    window: tuple[float, float] | None = None
    bins: Annotated[int, Field(ge=2, le=1024)] = 64
    names: dict[int, str] = Field(default_factory=dict)
    misalignment: bool = False
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

    @field_validator("window")
    @classmethod
    def _ascending(cls, window: tuple[float, float] | None) -> tuple[float, float] | None:
        if window is not None and not (all(math.isfinite(v) for v in window) and window[0] < window[1]):
            raise ValueError("it must be a lower and a higher number")
        return window


def parse_names(text: str) -> dict[int, str]:
    """Label values and names from "1=LV cavity,2=myocardium", or from a JSON file.

    The file holds {"1": "LV cavity"} or {"LV cavity": 1}, at the top or under "labels", as a phantom's
    ``subject.json`` and nnU-Net's ``dataset.json`` do. A background 0 is left out.

    Raises:
        ConfigError: not understood, or one value named twice.
    """
    path = Path(text)
    pairs = (
        _of_file(path) if path.suffix.lower() == ".json" else [part.split("=", 1) for part in text.split(",")]
    )
    names: dict[int, str] = {}
    for pair in pairs:
        value = _whole(pair[0]) if len(pair) == 2 else None
        if value is None or not pair[1].strip() or value in names:
            raise ConfigError(
                f"The names {text!r} are not understood; write --names '1=LV cavity,2=myocardium', each value"
                " once, or name a JSON file."
            )
        names[value] = pair[1].strip()
    return {
        value: name for value, name in names.items() if value or name.lower() not in ("background", "air")
    }


def _of_file(path: Path) -> list[list[str]]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path.name} cannot be read as JSON; check the path and the file.") from error
    labels = data.get("labels", data) if isinstance(data, dict) else None
    if not isinstance(labels, dict):
        raise ConfigError(f'{path.name} holds no label names; it must hold {{"labels": {{"name": value}}}}.')
    return [
        [str(value), name] if _whole(name) is None else [name, str(value)] for name, value in labels.items()
    ]


def _whole(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


__all__ = ["EvaluateRequest", "parse_names"]
