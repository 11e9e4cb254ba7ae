"""A pickle runs whatever its author put into it as soon as it is read, so none is ever opened."""

from __future__ import annotations

import zipfile
from pathlib import Path

from SynthLogic.errors import BundleError

_PICKLE_SUFFIXES = frozenset(
    {".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".npz", ".dill"}
)


def refuse_pickle(path: Path, model_format: str | None) -> None:
    """Refuse a file that is, holds or may hold a pickle; nothing of it is ever unpickled.

    Args:
        path: a file of a bundle.
        model_format: the card's format if this file is the model, otherwise None.

    Raises:
        BundleError: a pickle by name or by content, or an archive where none belongs.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(16)
    except OSError as error:
        raise BundleError(
            f"{path.name} of the bundle cannot be read ({error.strerror}); import it again."
        ) from error
    archive = head.startswith(b"PK\x03\x04")
    if model_format == "torchscript" and archive and _is_torchscript(path):
        return
    if path.suffix.lower() in _PICKLE_SUFFIXES or archive or _is_pickle(head):
        raise BundleError(
            f"{path.name} is or may be a pickle, which can run any program when it is read, so it was not "
            "opened: ask for the weights as safetensors."
        )
    if model_format == "torchscript":
        raise BundleError(f"{path.name} is not a TorchScript archive; save it with torch.jit.save.")


def _is_pickle(head: bytes) -> bool:
    # A safetensors file may begin with the same bytes: they are its header's length, and a brace follows.
    safetensors = head[4:9] == b"\0\0\0\0{"
    return len(head) > 1 and head[0] == 0x80 and head[1] <= 5 and not safetensors


def _is_torchscript(path: Path) -> bool:
    # torch.save writes the same kind of archive, but without code.
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False
    return any(n.endswith("/constants.pkl") for n in names) and any("/code/" in n for n in names)
