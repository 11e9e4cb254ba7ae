"""The module ``slicer.i18n``: no translation, but the rules of translation are kept."""

from __future__ import annotations

import types


def translate(context: str, text: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"only a string can be translated, not {text!r}")
    return text


def tr(text: str) -> str:
    """Text in the user's language, which is English here."""
    return translate("", text)


def module() -> types.ModuleType:
    i18n = types.ModuleType("slicer.i18n", __doc__)
    i18n.__dict__.update(tr=tr, translate=translate)
    return i18n
