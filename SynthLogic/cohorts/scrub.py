"""Takes the parents' identity out of records: ids, paths, places in the scanner and content hashes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from SynthLogic.cohorts.own_words import KEYS, WORDS

REMOVED = "removed"
_IDENTIFYING_KEY = re.compile(
    r"(^|_)(path|paths|file|files|filename|folder|directory|dir|url|uri|uid|uids|md5|sha1|sha256|hash|hashes)$"
    r"|^(patient|study|series|accession|birth|institution|station|operator|physician|user|host)"
)
_PLACE_KEY = re.compile(r"(^|_)(origin|direction|affine|matrix|position_mm|to_ras|to_lps)$")
_BUNDLE_KEY = re.compile(r"bundle|codec|painter|network|model")
_PATH = re.compile(
    r"(^|[\s'\"(=,;])(~?/|[A-Za-z]:[\\/]|\\\\|file:)\S"
    r"|\.(nii|nii\.gz|nrrd|nhdr|mha|mhd|dcm|ima|vtk|vtp|stl)\b",
    re.IGNORECASE,
)
# Words of our own requests that stand under such a key: the way through latent space.
_WAYS = ("line", "circle")
# What tells a bundle, inside what is of one; "model" and "codec" are names in requests.
_BUNDLE_TEXT = ("name", "version", "model", "codec")
_HASH = re.compile(r"(?<![0-9a-f])[0-9a-f]{32,}(?![0-9a-f])", re.IGNORECASE)


class Redactor:
    """Replaces secrets, such as ids of parents, by what may be written.

    Args:
        secrets: secret -> replacement. One or two characters count only as a whole text, up to five, or
            digits alone, only as a whole word; anything longer wherever it stands, in any case.
        own: texts that stay as they are when they are the whole text, whatever the secrets.
    """

    def __init__(self, secrets: Mapping[str, str], own: Iterable[str] = ()) -> None:
        self._own = WORDS | set(own)
        ordered = sorted((s for s in secrets if s.strip()), key=len, reverse=True)
        self._replacement = {s.casefold(): secrets[s] for s in reversed(ordered)}
        patterns = []
        for secret in ordered:
            if len(secret) < 3:
                continue
            whole_word = len(secret) < 6 or secret.isdigit()
            text = re.escape(secret)
            patterns.append(rf"(?<![^\W_]){text}(?![^\W_])" if whole_word else text)
        self._pattern = re.compile("|".join(patterns), re.IGNORECASE) if patterns else None

    def text(self, text: str) -> str:
        """``text`` with every secret replaced."""
        if text in self._own:
            return text
        whole = self._replacement.get(text.casefold())
        if whole is not None:
            return whole
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda m: self._replacement.get(m[0].casefold(), REMOVED), text)


def scrub(record: Any, redactor: Redactor) -> Any:
    """Return a copy of plain JSON without anything that tells who the parents were.

    Out go: what stands under a key for a path, file, patient, UID, hash or place in the scanner; texts with
    a path or the name of an image file; hashes wherever they stand; what the inputs were, of which only the
    number stays. Secrets of ``redactor`` are replaced, in keys too, but for the keys of our own records.
    Names and hashes of bundles stay: they tell which network it was.

    Args:
        record: dicts, lists, texts, numbers, booleans, None.
        redactor: knows the parents.
    """
    return _scrubbed(record, redactor, False)


def _scrubbed(value: Any, redactor: Redactor, of_bundle: bool) -> Any:
    if isinstance(value, Mapping):
        kept: dict[str, Any] = {}
        for key, inner in value.items():
            low = str(key).lower()
            inside = of_bundle or _BUNDLE_KEY.search(low) is not None
            told = inner in _WAYS or (inside and low.endswith(("hash", "sha256")))
            if _IDENTIFYING_KEY.search(low) and not told:
                continue
            if _PLACE_KEY.search(low) and not isinstance(inner, str):
                continue
            if low in ("input", "inputs") and isinstance(inner, Mapping | list | tuple):
                # Even shape and spacing can tell one scan from another.
                kept[str(key)] = 1 if isinstance(inner, Mapping) else len(inner)
                continue
            name = str(key) if key in KEYS else redactor.text(str(key))
            if inside and low in _BUNDLE_TEXT and isinstance(inner, str):
                kept[name] = _without_places(inner, inside)
            else:
                kept[name] = _scrubbed(inner, redactor, inside)
        return kept
    if isinstance(value, list | tuple):
        return [_scrubbed(v, redactor, of_bundle) for v in value]
    if isinstance(value, str):
        return _without_places(redactor.text(value), of_bundle)
    return value


def _without_places(text: str, of_bundle: bool) -> str:
    return REMOVED if _PATH.search(text) or (not of_bundle and _HASH.search(text)) else text
