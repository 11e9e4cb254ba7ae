"""For all tests: one stand-in for Slicer in the process, and torch as it came."""

from SynthLogic.threads import sleep_while_waiting

sleep_while_waiting()  # before the next lines import torch

import pytest  # noqa: E402
import torch  # noqa: E402
from harness.pytest_plugin import *  # noqa: E402, F403

_THREADS = torch.get_num_threads()


@pytest.fixture(autouse=True)
def _threads_as_they_came() -> None:
    """Results depend on the number of threads in their last bits, and a training sets it."""
    if torch.get_num_threads() != _THREADS:
        torch.set_num_threads(_THREADS)
