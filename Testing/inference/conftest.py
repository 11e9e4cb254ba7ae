import importlib.util
import sys
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def tiny():
    """The module tiny_bundles beside this file."""
    return _loaded("tiny_bundles", Path(__file__).with_name("tiny_bundles.py"))


@pytest.fixture(scope="session")
def hearts():
    """The module tiny_hearts of the tests of jobs."""
    return _loaded("tiny_hearts", Path(__file__).parents[1] / "jobs" / "tiny_hearts.py")


@pytest.fixture
def set_threads():
    """Sets how many threads torch has, until the end of the test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def _loaded(name, path):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]
