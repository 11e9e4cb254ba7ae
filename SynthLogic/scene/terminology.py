"""What a segment is, as the coded entry that Slicer keeps with it."""

from __future__ import annotations

from typing import NamedTuple

_CONTEXT = "Segmentation category and type - 3D Slicer General Anatomy list"
_ANATOMY = "Anatomic codes - DICOM master list"
_FIELDS = 7


class Code(NamedTuple):
    """One coded meaning, for example ("SCT", "39607008", "Lung"); all empty where nothing is said."""

    scheme: str = ""
    value: str = ""
    meaning: str = ""


class Terminology(NamedTuple):
    """A terminology entry: what kind of thing, which thing, which of them, and where.

    ``context`` and ``anatomy_context`` name the lists the codes were chosen from.
    """

    category: Code
    type: Code
    modifier: Code = Code()
    anatomy: Code = Code()
    anatomy_modifier: Code = Code()
    context: str = _CONTEXT
    anatomy_context: str = _ANATOMY

    @classmethod
    def from_text(cls, text: str) -> Terminology | None:
        """Read Slicer's serialised entry; None if it is none. Missing parts at its end are empty."""
        parts = text.split("~")
        if not 3 <= len(parts) <= _FIELDS:
            return None
        parts += [""] * (_FIELDS - len(parts))
        category, kind, modifier, anatomy, anatomy_modifier = (_code(parts[n]) for n in (1, 2, 3, 5, 6))
        if category is None or kind is None or not kind.value:
            return None
        return cls(
            category,
            kind,
            modifier or Code(),
            anatomy or Code(),
            anatomy_modifier or Code(),
            context=parts[0],
            anatomy_context=parts[4],
        )

    def to_text(self) -> str:
        """Slicer's serialised entry.

        Raises:
            ValueError: a name holds ~ or ^, which separate the parts.
        """
        codes = (self.category, self.type, self.modifier, self.anatomy, self.anatomy_modifier)
        for name in (self.context, self.anatomy_context, *(part for code in codes for part in code)):
            if "~" in name or "^" in name:
                raise ValueError(f"{name!r} holds ~ or ^, which separate the parts of an entry")
        category, kind, modifier, anatomy, anatomy_modifier = ("^".join(code) for code in codes)
        return "~".join(
            (self.context, category, kind, modifier, self.anatomy_context, anatomy, anatomy_modifier)
        )


def _code(text: str) -> Code | None:
    parts = text.split("^")
    return Code(*parts) if len(parts) == 3 else None
