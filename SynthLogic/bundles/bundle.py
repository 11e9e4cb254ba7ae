"""One bundle in a folder: open it, check it against its card, load its network."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from SynthLogic.bundles.card import CARD_FILE, Card
from SynthLogic.bundles.pickles import refuse_pickle
from SynthLogic.errors import BundleError
from SynthLogic.networks import build_network

if TYPE_CHECKING:
    from torch import Tensor, nn

CARD_LIMIT = 4 * 2**20
# What operating systems leave behind in folders they have shown; never part of a bundle.
CLUTTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_CHUNK = 2**20


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        BundleError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise BundleError(
            f"{path.name} of the bundle cannot be read ({error.strerror}); import it again."
        ) from error
    return digest.hexdigest()


def check_tensors(card: Card, tensors: Mapping[str, Tensor]) -> None:
    """Check that ``tensors`` fill the card's network exactly and are finite.

    Raises:
        BundleError: unknown network, a tensor missing, left over, of another shape, or not finite.
    """
    import torch

    # On the meta device nothing is allocated, however large a card claims the network to be.
    with torch.device("meta"):
        network = build_network(card.network.name, card.network.arguments)
    _check_counts(card, network)
    expected = network.state_dict()
    for name in sorted(expected.keys() | tensors.keys()):
        if name not in tensors:
            problem = f"{name} is missing"
        elif name not in expected:
            problem = f"{name} is not part of the network"
        elif tensors[name].shape != expected[name].shape:
            problem = f"{name} has shape {tuple(tensors[name].shape)}, not {tuple(expected[name].shape)}"
        elif not bool(torch.isfinite(tensors[name]).all()):
            problem = f"{name} has values that are not finite"
        else:
            continue
        raise BundleError(
            f"The weights do not fit network {card.network.name!r}: {problem}; export the bundle again."
        )


def _check_counts(card: Card, network: nn.Module) -> None:
    """Labels and styles of the card are those of the network."""
    if card.task == "translate":
        return
    if card.task == "segment":
        counts = {"out_channels": len(card.label_output.labels)}
    else:
        counts = {"labels": len(card.label_input.labels)}
    if card.task == "paint":
        counts["styles"] = len(card.styles)
    for what, count in counts.items():
        if getattr(network, what) != count:
            raise BundleError(
                f"The card of {card.name!r} names {count} {what}, its network has {getattr(network, what)}; "
                "correct the card."
            )


@dataclass(frozen=True)
class Bundle:
    """A folder in MONAI Bundle layout whose card was read and found valid.

    ``hash`` is the SHA-256 of the card's bytes; the card holds the hashes of all other files, so it stands
    for the whole bundle. ``trusted`` allows a foreign model (TorchScript, ONNX) to be loaded.
    """

    folder: Path
    card: Card
    hash: str
    trusted: bool = field(default=False, compare=False)

    @classmethod
    def open(cls, folder: str | Path, *, trusted: bool = False) -> Bundle:
        """Read the card in ``folder``; cheap, no other file is read.

        Raises:
            BundleError: no card there, or the card is wrong or does not list the weights.
        """
        folder = Path(folder)
        path = folder / CARD_FILE
        try:
            if path.stat().st_size > CARD_LIMIT:
                raise BundleError(
                    f"The card {CARD_FILE} is far too large to be one; ask for the bundle again."
                )
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise BundleError(
                f"{folder.name!r} is not a bundle: it has no {CARD_FILE}; name another folder."
            ) from error
        except OSError as error:
            raise BundleError(f"The card of {folder.name!r} cannot be read ({error.strerror}).") from error
        card = Card.from_json(content)
        if card.weights_path not in card.files:
            raise BundleError(
                f"The bundle's card does not list {card.weights_path} in 'files'; export it again."
            )
        return cls(folder.absolute(), card, hashlib.sha256(content).hexdigest(), trusted)

    @property
    def name(self) -> str:
        """The card's name."""
        return self.card.name

    @property
    def version(self) -> str:
        """The card's version."""
        return self.card.version

    def verify(self) -> None:
        """Check every file against its hash, that nothing is added or missing, and that the weights load.

        Raises:
            BundleError: the first thing found wrong.
        """
        self.verify_files()
        self.load_network()

    def verify_files(self) -> None:
        """Check names and hashes of all files, without loading the weights; raises as ``verify`` does."""
        current = Bundle.open(self.folder)
        if current.hash != self.hash:
            raise BundleError(
                f"The card of bundle {self.name!r} has changed on the disk; import the bundle again."
            )
        present = set(files_in(self.folder)) - {CARD_FILE}
        listed = set(self.card.files)
        if extra := sorted(present - listed):
            raise BundleError(
                f"Bundle {self.name!r} holds {extra[0]!r}, which its card does not list; remove that file."
            )
        if missing := sorted(listed - present):
            raise BundleError(
                f"Bundle {self.name!r} lacks {missing[0]!r}, which its card lists; import it again."
            )
        for path, expected in self.card.files.items():
            refuse_pickle(self.folder / path, self.card.format if path == self.card.weights_path else None)
            if sha256_of(self.folder / path) != expected:
                raise _altered(self.name, path)
        licence = self.folder / "LICENSE"
        if "LICENSE" not in listed or licence.stat().st_size == 0:
            raise BundleError(
                f"Bundle {self.name!r} has no licence text in the file LICENSE; ask its author for one."
            )

    def load_network(self) -> nn.Module:
        """The network with its weights, in evaluation mode, float32, on the CPU.

        One that translates maps (N, 1, *spatial) to the same shape, both in [-1, 1]. The very bytes whose
        hash was checked are the ones that are loaded.

        Raises:
            BundleError: hash of the weights wrong, unknown network, weights that do not fit it, or a foreign
                model that is not trusted.
        """
        path = self.folder / self.card.weights_path
        refuse_pickle(path, self.card.format)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BundleError(
                f"The weights of {self.name!r} cannot be read ({error.strerror}); import it again."
            ) from error
        if hashlib.sha256(content).hexdigest() != self.card.files[self.card.weights_path]:
            raise _altered(self.name, self.card.weights_path)
        if self.card.format != "safetensors":
            from SynthLogic.bundles.foreign import load_foreign

            return load_foreign(self.card, content, trust=self.trusted)
        import safetensors.torch

        try:
            tensors = safetensors.torch.load(content)
        except (safetensors.SafetensorError, ValueError, KeyError) as error:
            raise BundleError(
                f"The weights of {self.name!r} are not a safetensors file ({error}); export it again."
            ) from error
        check_tensors(self.card, tensors)
        network = build_network(self.card.network.name, self.card.network.arguments).float()
        network.load_state_dict(tensors, strict=True)
        return network.eval().requires_grad_(False)


def files_in(folder: Path) -> Iterator[str]:
    """POSIX paths of all files under ``folder``, without operating systems' clutter.

    Raises:
        BundleError: a symbolic link or anything else that is neither file nor folder.
    """
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise BundleError(
                f"The bundle holds {relative!r}, which is a link or no plain file; replace it by a file."
            )
        if path.is_file() and path.name not in CLUTTER:
            yield relative


def _altered(name: str, path: str) -> BundleError:
    return BundleError(
        f"{path!r} of bundle {name!r} is not what its card says (SHA-256 differs); import it again."
    )


def summary(bundle: Bundle) -> dict[str, str]:
    """What a list of bundles says of one."""
    card = bundle.card
    return {
        "name": bundle.name,
        "version": bundle.version,
        "hash": bundle.hash,
        "title": card.title,
        "task": card.task,
        "input": card.input.modality,
        "output": card.output.modality,
        "anatomy": card.coverage.anatomy,
        "licence": card.licence.spdx,
    }
