"""Arguments that need more than a type: lists of planes, matrices in files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from SynthLogic.errors import ConfigError, InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PLANES = ("axial", "coronal", "sagittal")


def parse_planes(text: str | None) -> tuple[str, ...] | None:
    """Planes of a comma-separated list, or None where nothing was said.

    Raises:
        ConfigError: an unknown plane, or one named twice.
    """
    if text is None:
        return None
    planes = tuple(part.strip().lower() for part in text.split(","))
    unknown = [plane for plane in planes if plane not in PLANES]
    if unknown or len(set(planes)) != len(planes):
        raise ConfigError(
            f"--planes {text!r} is not understood; list each of {', '.join(PLANES)} once at most."
        )
    return planes


def read_parent_transform(path: Path) -> NDArray[np.float64]:
    """The 4x4 parent-to-world matrix (RAS, mm) in a text file of four rows, separated by spaces or commas.

    Raises:
        InputError: unreadable, not 4x4 numbers, or not an invertible affine matrix.
    """
    import numpy as np

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InputError(
            f"The parent transform {path} cannot be read ({reason}); give a text file."
        ) from error
    try:
        rows = [
            [float(n) for n in line.replace(",", " ").split()] for line in text.splitlines() if line.strip()
        ]
    except ValueError as error:
        raise InputError(
            f"The parent transform {path} holds something that is not a number; correct it."
        ) from error
    if [len(row) for row in rows] != [4] * 4:
        raise InputError(f"The parent transform {path} is not 4 rows of 4 numbers; correct it.")
    matrix = np.array(rows, dtype=np.float64)
    affine = np.isfinite(matrix).all() and np.array_equal(matrix[3], (0, 0, 0, 1))
    if not affine or abs(np.linalg.det(matrix[:3, :3])) < 1e-9:
        raise InputError(
            f"The parent transform {path} is not an invertible affine matrix with last row 0 0 0 1; "
            "correct it."
        )
    return matrix
