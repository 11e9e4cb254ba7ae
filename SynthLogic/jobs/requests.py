"""What a user can ask for, as frozen JSON. A request knows no path; the function that runs it is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from SynthLogic.bundles import Plane
from SynthLogic.errors import ConfigError

Modality = Literal["CT", "MR"]
Row = tuple[float, float, float, float]
Matrix = tuple[Row, Row, Row, Row]
Parsed = TypeVar("Parsed", bound="Document")


class Document(BaseModel):
    """A frozen model that refuses unknown keys and reads and writes JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_json(self) -> str:
        """Indented JSON; ``from_json`` of it equals this object."""
        return self.model_dump_json(indent=2) + "\n"

    @classmethod
    def from_json(cls: type[Parsed], text: str | bytes) -> Parsed:
        """Read JSON.

        Raises:
            ConfigError: not JSON, or a key is missing, unknown or wrong; the sentence names it.
        """
        return cls._parsed(lambda: cls.model_validate_json(text))

    @classmethod
    def from_data(cls: type[Parsed], data: Any) -> Parsed:
        """Build from plain data; raises as ``from_json`` does."""
        return cls._parsed(lambda: cls.model_validate(data))

    @classmethod
    def _parsed(cls: type[Parsed], parse: Callable[[], Parsed]) -> Parsed:
        try:
            return parse()
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the whole"
            problem = " ".join(first["msg"].removeprefix("Value error, ").split())
            raise ConfigError(f"The {cls.__name__} is wrong in {where}: {problem}; correct it.") from error


class TranslateRequest(Document):
    """Translate one scan into the other modality.

    Attributes:
        target: modality to make.
        model: name of an installed bundle, or None for the best one.
        device: "auto", "cpu", "cuda" or "cuda:N".
        precision: "auto", or one that the bundle's card allows.
        planes: slice directions to run and combine, or None for the one that suits scan and bundle.
        seed: of everything random.
        batch: slices or tiles per forward pass, or None for what is fastest.
        force: go on although the scan lies outside what the bundle covers.
        disagreement: also give the standard deviation between the planes.
        parent_transform: 4x4 in RAS mm, parent to world, of a scan that hangs below a linear transform; it
            decides how the scan is turned for the network; the result stays on the scan's own grid.
    """

    kind: Literal["translate"] = "translate"
    target: Modality
    model: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)] | None = None
    device: Annotated[str, Field(pattern=r"^[a-z0-9:]+$", max_length=16)] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    planes: Annotated[tuple[Plane, ...], Field(min_length=1)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    batch: Annotated[int, Field(ge=1)] | None = None
    force: bool = False
    disagreement: bool = False
    parent_transform: Matrix | None = None

    @field_validator("parent_transform")
    @classmethod
    def _affine(cls, matrix: Matrix | None) -> Matrix | None:
        if matrix is None:
            return None
        array = np.asarray(matrix, np.float64)
        if not np.isfinite(array).all() or not np.allclose(array[3], (0, 0, 0, 1), atol=1e-9):
            raise ValueError("it must be a finite affine 4x4 matrix with the last row 0 0 0 1")
        return matrix

    @property
    def source(self) -> Modality:
        """Modality of the input, where no bundle says otherwise."""
        return "MR" if self.target == "CT" else "CT"


__all__ = ["Document", "Matrix", "Modality", "TranslateRequest"]
