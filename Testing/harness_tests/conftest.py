import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from harness.pytest_plugin import host, slicer_host

__all__ = ["host", "slicer_host"]

from pathlib import Path

import pytest

SAMPLE = Path(__file__).parent / "data" / "Sample" / "Sample.py"


@pytest.fixture
def sample(host):
    """The sample module's widget object, opened."""
    return host.load_module(SAMPLE)
