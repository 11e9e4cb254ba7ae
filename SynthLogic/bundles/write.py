"""Write a bundle: weights, card, MONAI configuration, model card and licence, with the hash of each."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from SynthLogic.bundles.bundle import Bundle, check_tensors, sha256_of
from SynthLogic.bundles.card import CARD_FILE, Card
from SynthLogic.bundles.model_card import licence_text, model_card
from SynthLogic.bundles.pickles import refuse_pickle
from SynthLogic.errors import BundleError, OutputError

if TYPE_CHECKING:
    from torch import Tensor


def write_bundle(
    folder: str | Path,
    card: Card,
    weights: Mapping[str, Tensor] | Path,
    *,
    licence: str | None = None,
    overwrite: bool = False,
) -> Bundle:
    """Write a bundle into ``folder``, all of it or nothing.

    Args:
        folder: the bundle's folder; must not exist unless ``overwrite``.
        card: its ``files`` are replaced by the hashes of what is written here.
        weights: state of the card's network (floating types are stored as they are, so half precision halves
            the file), or for a foreign format the TorchScript or ONNX file, which the caller vouches for.
        licence: full text for LICENSE; by default a statement from the card with the SPDX address.
        overwrite: replace a bundle that lies in ``folder``.

    Raises:
        BundleError: the weights do not fit the card's network or are not finite.
        OutputError: ``folder`` is taken or cannot be written.
    """
    folder = Path(folder)
    if folder.exists() and not (overwrite and (folder / CARD_FILE).is_file()):
        raise OutputError(
            f"{folder.name!r} already exists; choose another folder for the bundle or remove it first."
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    except OSError as error:
        raise OutputError(
            f"The bundle cannot be written ({error.strerror}); choose another folder."
        ) from error
    try:
        staging.chmod(0o755)
        _fill(staging, card, weights, licence)
        move_into_place(staging, folder)
    except OSError as error:
        raise OutputError(
            f"The bundle cannot be written ({error.strerror}); choose another folder."
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Bundle.open(folder, trusted=card.format != "safetensors")


def rewrite_bundle(
    bundle: Bundle, card: Card, tensors: Mapping[str, Tensor] | None = None, licence: str | None = None
) -> Bundle:
    """Write a bundle of tensors again with another card, its weights as they are but for ``tensors``.

    Raises:
        BundleError, OutputError: as ``write_bundle``; the bundle is then as before.
    """
    from safetensors.torch import load_file

    weights = load_file(bundle.folder / bundle.card.weights_path) | dict(tensors or {})
    return write_bundle(bundle.folder, card, weights, licence=licence, overwrite=True)


def _fill(folder: Path, card: Card, weights: Mapping[str, Tensor] | Path, licence: str | None) -> None:
    from SynthLogic.bundles.monai_layout import inference_json, metadata_json

    target = folder / card.weights_path
    for part in ("configs", "docs", "models"):
        (folder / part).mkdir()
    if isinstance(weights, Path):
        if card.format == "safetensors":
            raise BundleError(
                "A card with the format safetensors is written from tensors, not from a model file."
            )
        from SynthLogic.bundles.foreign import load_foreign

        refuse_pickle(weights, card.format)
        content = weights.read_bytes()
        load_foreign(card, content, trust=True)
    else:
        if card.format != "safetensors":
            raise BundleError(
                f"A card with the format {card.format} is written from a model file, not from tensors."
            )
        import safetensors.torch

        check_tensors(card, weights)
        # A copy each: safetensors refuses tensors that share memory, as tied or sliced ones do.
        content = safetensors.torch.save(
            {name: tensor.detach().cpu().clone().contiguous() for name, tensor in weights.items()},
            metadata={"format": "pt"},
        )
    target.write_bytes(content)
    texts = {
        "LICENSE": licence or licence_text(card),
        "docs/README.md": model_card(card),
        "configs/metadata.json": metadata_json(card),
    }
    if card.runs_in_monai:
        texts["configs/inference.json"] = inference_json(card)
    for path, text in texts.items():
        (folder / path).write_bytes(text.encode())
    hashes = {path: sha256_of(folder / path) for path in sorted([*texts, card.weights_path])}
    (folder / CARD_FILE).write_bytes(card.with_files(hashes).to_json().encode())


def move_into_place(staging: Path, folder: Path) -> None:
    """Rename ``staging`` to ``folder``; what lay there is put back if that fails, and removed if it succeeds.

    Raises:
        OSError: the rename is not possible.
    """
    if not folder.exists():
        os.rename(staging, folder)
        return
    old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-old-"))
    try:
        os.rename(folder, old / "bundle")
        os.rename(staging, folder)
    except BaseException:  # an interruption between the two as well
        if (old / "bundle").exists():
            os.rename(old / "bundle", folder)
        old.rmdir()
        raise
    shutil.rmtree(old, ignore_errors=True)
