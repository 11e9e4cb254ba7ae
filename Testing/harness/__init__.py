"""Runs an unmodified Slicer scripted module without Slicer: real MRML, real Qt, real slice pictures.

A test tool; the extension that ships knows nothing of it. Start with ``README.md`` and ``host.Host``.
"""

import sys

# PythonQt's enums are ints. PySide6 reads this once, at its first import, so it comes before everything.
sys.pyside6_option_python_enum = 0x03  # type: ignore[attr-defined]

from harness.singletons import protect  # noqa: E402

protect()

from harness.answers import UnexpectedDialog  # noqa: E402
from harness.host import Host  # noqa: E402

__all__ = ["Host", "UnexpectedDialog"]
