"""What a value on a card may be: names, paths, versions and numbers, checked where they are read."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?"
)
# Device names of Windows cannot be file names there, whatever their extension.
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")

Modality = Literal["CT", "MR"]
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


def semver(version: str) -> str:
    """The version; ValueError if it is not semantic."""
    version_key(version)
    return version


def _ordered(pair: tuple[_Number, _Number]) -> tuple[_Number, _Number]:
    if pair[0] >= pair[1]:
        raise ValueError(f"the first value must be below the second, not {pair[0]} and {pair[1]}")
    return pair


def unique(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values; ValueError if one occurs twice."""
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
