"""Fixtures: one host for the session, a clean scene per test, a failed test for what a slot did wrong.

Use with ``from harness.pytest_plugin import *`` in a conftest.py, or ``-p harness.pytest_plugin``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

__all__ = ["host", "slicer_host"]

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture(scope="session")
def slicer_host() -> Iterator:
    """The one host of the process; tests take ``host``."""
    from harness.host import Host

    host = Host()
    yield host
    host.quit()


@pytest.fixture
def host(slicer_host) -> Iterator:
    """A host with an empty scene and no module loaded. After the test, slots and dialogs are checked."""
    slicer_host.reset()
    yield slicer_host
    try:
        slicer_host.check()
    finally:
        slicer_host.reset()
