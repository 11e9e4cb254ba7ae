"""Keeps None, True and False alive on Python before 3.12, where PySide6's wheels count them down.

Those wheels are compiled for Pythons in which the singletons are immortal: every method that returns nothing
gives back a None it never took. On Python 3.11 some ten thousand calls end in "deallocating None".
"""

from __future__ import annotations

import ctypes
import sys

_PLENTY = 1 << 60


def protect() -> None:
    """Give the singletons more references than any process can use up. Once per process."""
    if sys.version_info >= (3, 12) or sys.getrefcount(None) > _PLENTY // 2:
        return
    for singleton in (None, True, False, Ellipsis, NotImplemented):
        # CPython's object header begins with the reference count, and id() is its address.
        ctypes.c_ssize_t.from_address(id(singleton)).value += _PLENTY
