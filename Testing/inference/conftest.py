import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny():
    """The module tiny_bundles beside this file."""
    return _loaded("tiny_bundles", Path(__file__).with_name("tiny_bundles.py"))


@pytest.fixture(scope="session")
def hearts():
    """The module tiny_hearts of the tests of jobs."""
    return _loaded("tiny_hearts", Path(__file__).parents[1] / "jobs" / "tiny_hearts.py")


def _loaded(name, path):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]
