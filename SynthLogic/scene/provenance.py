"""The record of a synthetic node, kept as node attributes, which scene files keep."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from SynthLogic.errors import ConfigError
from SynthLogic.scene.nodes import Node, Scene, unique_name

ENDING = " (synthetic)"
_PREFIX = "CrossModalSynth."
_SYNTHETIC, _RECORD, _TARGET = _PREFIX + "Synthetic", _PREFIX + "Record", _PREFIX + "Target"
_BUNDLE, _SOURCE_HASH = _PREFIX + "Bundle", _PREFIX + "SourceHash"
_SOURCE = _PREFIX + "Source"


@dataclass(frozen=True)
class Provenance:
    """What a synthetic node says about itself.

    Attributes:
        record: JSON text of the job's record; of a sequence, of its first frame.
        target: modality that was made, "CT" or "MR".
        bundle: name and version of the bundle.
        source_hash: content hash of the scan.
        notice: what everybody must know who sees it.
    """

    record: str
    target: str
    bundle: str
    source_hash: str
    notice: str

    @classmethod
    def from_record(cls, record: str) -> Provenance:
        """Read the JSON text of a record.

        Raises:
            ConfigError: it is no record of a translation.
        """
        try:
            content: dict[str, Any] = json.loads(record)
            bundle = content["bundle"]
            return cls(
                record=record,
                target=_text(content["request"]["target"]),
                bundle=f"{_text(bundle['name'])} {_text(bundle['version'])}",
                source_hash=_text(content["input"]["content_hash"]),
                notice=_text(content["notice"]),
            )
        except (ValueError, KeyError, TypeError):
            raise ConfigError("The result has no readable record; run the translation again.") from None

    def mark(self, node: Node) -> None:
        """Write it into the node's attributes and description."""
        node.SetAttribute(_SYNTHETIC, "1")
        node.SetAttribute(_RECORD, self.record)
        node.SetAttribute(_TARGET, self.target)
        node.SetAttribute(_BUNDLE, self.bundle)
        node.SetAttribute(_SOURCE_HASH, self.source_hash)
        node.SetDescription(self.notice)


def is_synthetic(node: Node) -> bool:
    """Whether the node was made by this product, also after saving and loading or in a copy."""
    return node is not None and node.GetAttribute(_SYNTHETIC) == "1"


def mark_synthetic(node: Node, notice: str) -> None:
    """Mark a node that has no record of its own, such as one composed of a scan and a result."""
    node.SetAttribute(_SYNTHETIC, "1")
    node.SetDescription(notice)


def record_of(node: Node) -> str | None:
    """The JSON text of the record of a synthetic node, or None if it has none."""
    text = node.GetAttribute(_RECORD) if is_synthetic(node) else None
    return None if text is None else str(text)


def provenance_of(node: Node) -> Provenance | None:
    """What a node with a record says about itself, or None if it has none.

    Raises:
        ConfigError: its record was damaged.
    """
    record = record_of(node)
    return None if record is None else Provenance.from_record(record)


def set_source(node: Node, source: Node) -> None:
    """Let the node refer to the node it was made from; this outlives renaming, saving and loading."""
    node.SetNodeReferenceID(_SOURCE, source.GetID())


def source_of(node: Node) -> Node | None:
    """The node that a synthetic node was made from, if it is still in the scene."""
    return node.GetNodeReference(_SOURCE)


def synthetic_name(scene: Scene, source: Node, target: str, wish: str | None = None) -> str:
    """Return a name that the scene does not have and that ends in "(synthetic)".

    "Chest CT" becomes "Chest MR (synthetic)", "CTChest" becomes "CTChest MR (synthetic)"; nothing is in the
    name that the source's name or the wish does not have.

    Args:
        scene: whose names are taken.
        source: the scan's node.
        target: modality that was made, "CT" or "MR".
        wish: name the user asked for instead.
    """
    asked = (wish or "").strip()
    base = _without_ending(asked) if asked else _renamed(_without_ending(source.GetName() or ""), target)
    return unique_name(scene, base, ENDING)


def _without_ending(name: str) -> str:
    return name.strip().removesuffix(ENDING.strip()).strip()


def _renamed(name: str, target: str) -> str:
    words, found = [], False
    for word in _words(name):
        if word.upper() in ("CT", "MR", "MRI"):
            word, found = target.lower() if word.islower() else target, True
        words.append(word)
    result = "".join(words)
    return result if found else f"{result} {target}".strip()


def _words(name: str) -> list[str]:
    """The name cut where letters and digits meet something else; joined they are the name."""
    words: list[str] = []
    for character in name:
        if words and character.isalnum() and words[-1][-1].isalnum():
            words[-1] += character
        else:
            words.append(character)
    return words


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
