from pathlib import Path

import pytest

SAMPLE = Path(__file__).parent / "data" / "Sample" / "Sample.py"


@pytest.fixture
def sample(host):
    """The sample module's widget object, opened."""
    return host.load_module(SAMPLE)
