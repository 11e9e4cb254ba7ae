import importlib.util
import sys
from pathlib import Path

import pytest

from SynthLogic.volume import Volume, write_volume


@pytest.fixture(scope="session")
def tiny():
    """The module tiny_bundles of the tests of inference."""
    name = "tiny_bundles"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            name, Path(__file__).parents[1] / "inference" / "tiny_bundles.py"
        )
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture
def bundle(tiny, tmp_path):
    return tiny.tiny_bundle(tmp_path / "bundles" / "one")


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "Doe-John-1970"
    folder.mkdir()
    return folder


@pytest.fixture
def ct(tiny, place):
    path = place / "secret-patient.nii.gz"
    write_volume(path, Volume(tiny.ct_like(), tiny.matrix()))
    return path


@pytest.fixture(scope="session")
def hearts():
    """The module tiny_hearts beside this file."""
    name = "tiny_hearts"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("tiny_hearts.py"))
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def heart_bundles(hearts, tmp_path_factory):
    """A bundle that paints and one that encodes, in an empty store of their own; not to be changed."""
    home = tmp_path_factory.mktemp("home")
    return {task: hearts.heart_bundle(home / task, task) for task in ("paint", "label-vae")}


@pytest.fixture
def scan_of():
    from SynthLogic.volume import Scan, ScanMeta, content_hash

    def make(volume):
        return Scan(volume, ScanMeta("memory", "memory", None, volume.array.dtype.name), content_hash(volume))

    return make
