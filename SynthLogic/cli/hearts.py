"""What the commands about hearts share: styles, values of labels, bundles by name or folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from SynthLogic.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from SynthLogic.bundles import Bundle
    from SynthLogic.jobs import Reference

LABELS_HELP = (
    "What the label map's values are: mms (1 LV, 2 myocardium, 3 RV), acdc (1 RV, 2 myocardium, 3 LV), or "
    "each value, such as 1=lv,2=myo,3=rv,4=0."
)
Values = Annotated[str, typer.Option("--labels", metavar="VALUES", help=LABELS_HELP)]
Codec = Annotated[
    str | None,
    typer.Option("--codec", metavar="NAME|FOLDER", help="Label VAE to use; the best installed if not given."),
]
Painter = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME|FOLDER", help="Bundle that paints; the best if not given."),
]
Slices = Annotated[
    int, typer.Option("--slices", metavar="N", min=2, max=300, help="Slices of each heart that is made.")
]
LatentPath = Annotated[
    str, typer.Option("--path", metavar="line|circle", help="Way through the latent space.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Go on although the labels do not look like those of a heart.")
]
STYLE_HELP = (
    "NAME of a style of the bundle, seed:N for one drawn at random, or scan:IMAGE,LABELS for that of a scan; "
    "NAME@N draws one near NAME. See: crossmodalsynth models show."
)


def parse_style(text: str | None) -> tuple[dict[str, Any] | None, tuple[Path, Path] | None]:
    """A style as a request has it, and the files of its scan.

    Raises:
        ConfigError: not one of the forms of ``STYLE_HELP``.
    """
    if text is None:
        return None, None
    kind, colon, rest = text.partition(":")
    if kind == "scan" and colon:
        image, comma, labels = rest.rpartition(",")
        if not (image and comma and labels):
            raise ConfigError(f"--style {text!r} names no scan and labels; write scan:IMAGE,LABELS.")
        return {"kind": "scan"}, (Path(image), Path(labels))
    if kind == "seed" and colon:
        return {"kind": "seed", "seed": _seed(rest, text)}, None
    name, at, seed = text.partition("@")
    return {"kind": "named", "name": name, "seed": _seed(seed, text) if at else None}, None


def _seed(text: str, whole: str) -> int:
    if not text.isdecimal():
        raise ConfigError(
            f"--style {whole!r} has no number where the seed must be; write for example seed:7."
        )
    return int(text)


def read_references(
    paths: Sequence[tuple[Path, Path] | None], values: str, force: bool = False
) -> list[Reference | None]:
    """The scans that styles are taken from.

    Raises:
        InputError: one cannot be read, or without ``force`` does not go with its labels.
    """
    from SynthLogic.jobs import read_reference

    return [None if pair is None else read_reference(*pair, values, force) for pair in paths]


def request_of(kind: type[BaseModel], data: dict[str, Any], options: dict[str, str] | None = None) -> Any:
    """A request from what was said on the command line.

    Args:
        kind: of request.
        data: its fields.
        options: what a field is called on the command line, where that differs.

    Raises:
        ConfigError: names the option that is wrong.
    """
    from pydantic import ValidationError

    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        reason = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:
            raise ConfigError(f"This cannot be made: {reason}; see --help.") from error
        field, reason = str(first["loc"][0]), reason.lower()
        option = (options or {}).get(field, f"--{field}".replace("_", "-"))
        said = f" {first['input']!r}" if isinstance(first["input"], str | int | float) else ""
        raise ConfigError(f"{option}{said} is not understood ({reason}); see --help.") from error


def bundle_of(name: str | None, consent: bool) -> tuple[str | None, Bundle | None]:
    """The name that a request holds for ``--model`` or ``--codec``, and the bundle if one was named.

    Raises:
        BundleError, ConsentRequired: see ``bundles.find``.
    """
    from SynthLogic.bundles import find

    bundle = None if name is None else find(name, consent=consent)
    return (None if bundle is None else bundle.name), bundle
