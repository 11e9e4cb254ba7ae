"""For all tests: one stand-in for Slicer in the process, and torch as it came."""

import pytest
import torch
from harness.pytest_plugin import *  # noqa: F403

_THREADS = torch.get_num_threads()


@pytest.fixture(autouse=True)
def _threads_as_they_came() -> None:
    """Results depend on the number of threads in their last bits, and a training sets it."""
    if torch.get_num_threads() != _THREADS:
        torch.set_num_threads(_THREADS)
