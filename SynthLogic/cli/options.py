"""Options that several commands share."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Target(str, Enum):
    """Modality to make."""

    MR = "MR"
    CT = "CT"

    @property
    def source(self) -> str:
        """Modality it is made from."""
        return "CT" if self is Target.MR else "MR"


class Precision(str, Enum):
    """Arithmetic of the network."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"


JsonFlag = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, for machines.")]
DebugFlag = Annotated[bool, typer.Option("--debug", help="Show the traceback of an unexpected failure.")]
Model = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME|FOLDER", help="Bundle to use; the best installed if not given."),
]
AcceptLicence = Annotated[
    bool, typer.Option("--accept-licence", help="Agree to a restricted licence without being asked.")
]
Device = Annotated[str, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:N.")]
PrecisionChoice = Annotated[
    Precision,
    typer.Option("--precision", case_sensitive=False, help="auto takes the fastest that the card allows."),
]
Force = Annotated[bool, typer.Option("--force", help="Go on in spite of warnings that would stop the run.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Replace an output that exists, without asking.")]
OutputFolder = Annotated[Path, typer.Option("--output", metavar="DIR", help="Folder to write to.")]


def example(*lines: str) -> str:
    """The end of a command's help."""
    return "\n\n".join(("Example:" if len(lines) == 1 else "Examples:", *lines))
