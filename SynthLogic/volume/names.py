"""Names of files that ITK can open."""

from __future__ import annotations

from pathlib import Path

from SynthLogic.errors import SynthError


def check_name(path: Path, error: type[SynthError], *, folder: bool = False) -> None:
    """Refuse a path that is no valid UTF-8: it ends the process inside ITK.

    Such names come from old discs; Python hands their bytes on as lone surrogates.

    Args:
        path: as it will be handed on.
        error: what to raise.
        folder: whether the path is that of a folder.

    Raises:
        SynthError: an ``error``, which names the part that is wrong.
    """
    wrong = next((part for part in reversed(path.parts) if not _is_utf8(part)), None)
    if wrong is None:
        return
    what = "folder" if folder or wrong != path.name else "file"
    shown = wrong.encode("utf-8", "replace").decode()
    raise error(f"The name of the {what} {shown} is not valid UTF-8; rename the {what}.")


def _is_utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
