"""A tiny bundle per direction in a store of its own, and ways to call the command line."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

REPOSITORY = Path(__file__).resolve().parents[2]


def tiny_card(source="CT", target="MR", **changes):
    from SynthLogic.bundles import Card

    channels = {
        "CT": {
            "modality": "CT",
            "units": "HU",
            "intensity": {"steps": [{"kind": "window", "lower": -1000, "upper": 1000}]},
            "background": -1000,
            "dtype": "int16",
        },
        "MR": {
            "modality": "MR",
            "units": "a.u.",
            "intensity": {"steps": [{"kind": "window", "lower": 0, "upper": 1000}]},
            "background": 0,
            "dtype": "float32",
        },
    }
    card = {
        "name": f"tiny-{source}-to-{target}".lower(),
        "version": "1.0.0",
        "title": f"Tiny {target} from {source}",
        "description": "Random weights, for tests.",
        "input": channels[source],
        "output": channels[target],
        "network": {"name": "resnet-generator", "arguments": {"features": 4, "blocks": 1}},
        "spatial": {"spatial_dims": 2, "spacing_mm": 4.0, "spacing_range_mm": [0.5, 8.0], "divisor": 4},
        "coverage": {"anatomy": "thorax", "field_of_view_mm": [50, 600]},
        "precision": {"tolerance": 2.0},
        "training": {
            "method": "none",
            "data": [{"name": "nothing", "licence": "CC0-1.0", "volumes": 0, "citation": "nobody"}],
            "seed": 0,
            "iterations": 0,
            "hardware": "none",
            "duration_s": 0.0,
            "code_version": "0",
        },
        "figures": [{"name": "MAE", "value": 61.5, "units": target, "on": "nothing"}],
        "licence": {"spdx": "Apache-2.0"},
        "limits": ["Knows nothing."],
    }
    return Card.model_validate({**card, **changes})


def write_tiny(folder, **changes):
    import torch

    from SynthLogic.bundles import write_bundle
    from SynthLogic.networks import build_network

    torch.manual_seed(0)
    card = tiny_card(**changes)
    network = build_network(card.network.name, card.network.arguments)
    return write_bundle(folder, card, network.state_dict())


@pytest.fixture(name="write_tiny")
def write_tiny_fixture():
    return write_tiny


@pytest.fixture(scope="session")
def bundle_folders(tmp_path_factory):
    """Folders of two tiny bundles, not to be changed."""
    root = tmp_path_factory.mktemp("bundles")
    for source, target in (("CT", "MR"), ("MR", "CT")):
        write_tiny(root / f"{source}-{target}", source=source, target=target)
    return root


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    """An empty store and no shipped bundles."""
    home = tmp_path / "home"
    monkeypatch.setenv("CROSSMODALSYNTH_HOME", str(home))
    import SynthLogic.bundles.store as store_module

    monkeypatch.setattr(store_module, "shipped_folder", lambda: tmp_path / "no-shipped-bundles")
    return home / "bundles"


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def document(self):
        return json.loads(self.out)


@pytest.fixture
def call():
    """Run the command line in this process."""
    from SynthLogic.cli import app

    def run(*arguments):
        result = CliRunner().invoke(app, [str(a) for a in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return Result(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def shell(store):
    """Start the installed program in a process of its own."""

    def start(*arguments, code=None, **options):
        command = [
            sys.executable,
            "-c",
            code or "from SynthLogic.cli import main; main()",
            *map(str, arguments),
        ]
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "COLUMNS": "120"}
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env=environment,
            **options,
        )

    return start


def refused(result, *parts):
    """Assert that a run ended with exit code 2 and one line that says all ``parts``."""
    assert result.code == 2, (result.code, result.out, result.err)
    assert result.out == ""
    lines = [line for line in result.err.splitlines() if not line.startswith("Warning: ")]
    assert len(lines) == 1, result.err
    assert lines[0].startswith("Error: ")
    assert "Traceback" not in result.err
    for part in parts:
        assert part.lower() in lines[0].lower(), lines[0]


@pytest.fixture(name="refused")
def refused_fixture():
    return refused


@pytest.fixture
def files_of(tmp_path):
    """Everything below the test's folder, to show that nothing was added."""
    return lambda: {p.relative_to(tmp_path): p.stat().st_size for p in tmp_path.rglob("*")}


@pytest.fixture(scope="session")
def ct_array():
    """A body with lungs and bone in air, in HU; int16 (K, J, I) for voxels of 6 x 6 x 5 mm."""
    shape = (8, 40, 48)
    k, j, i = np.ogrid[: shape[0], : shape[1], : shape[2]]
    j, i = (j - shape[1] / 2) / (0.4 * shape[1]) + 0 * k, (i - shape[2] / 2) / (0.4 * shape[2])
    array = np.where(j**2 + i**2 < 1, 40, -1000)
    array = np.where((np.abs(i) - 0.5) ** 2 + j**2 < 0.1, -850, array)
    array = np.where(i**2 + (j + 0.7) ** 2 < 0.04, 700, array)
    return (array + np.random.default_rng(0).normal(0, 10, shape)).astype(np.int16)


@pytest.fixture(scope="session")
def hearts():
    """The module tiny_hearts of the tests of jobs."""
    name = "tiny_hearts"
    if name not in sys.modules:
        path = Path(__file__).parents[1] / "jobs" / "tiny_hearts.py"
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def heart_bundles(hearts, tmp_path_factory):
    """Folders of a bundle that paints and of one that encodes; not to be changed."""
    root = tmp_path_factory.mktemp("heart-bundles")
    return {task: hearts.heart_bundle(root / task, task).folder for task in ("paint", "label-vae")}


@pytest.fixture(scope="session")
def files(tmp_path_factory, hearts):
    """Good label maps and bad ones; not to be changed."""
    from SynthLogic.volume import Volume, write_volume

    folder = tmp_path_factory.mktemp("labels")
    good = hearts.heart_labels()

    def save(name, volume):
        write_volume(folder / f"{name}.nii.gz", volume)

    save("a", good)
    save("b", hearts.heart_labels(7, radius=30.0, slice_mm=10.0))
    save("c", hearts.heart_labels(6, radius=22.0))
    save("scan", hearts.heart_image(good))
    save("acdc", good.with_array(np.array([0, 3, 2, 1], np.uint8)[good.array]))
    save("unknown", good.with_array(np.array([0, 1, 2, 7], np.uint8)[good.array]))
    save("no-lv", good.with_array(np.where(good.array == 1, 0, good.array)))
    save("no-rv", hearts.heart_labels(rv=False))
    save("tiny", Volume(good.array, good.ijk_to_ras @ np.diag([0.1, 0.1, 0.1, 1])))
    save("other-scan", hearts.heart_image(hearts.heart_labels(wall=4.0), 3))
    save("fraction", good.with_array(good.array.astype(np.float32) / 2))
    save("empty", good.with_array(np.zeros_like(good.array)))
    save("one", hearts.heart_labels(1))
    save("many", hearts.heart_labels(310, 72, pixel_mm=0.6, slice_mm=0.8, radius=9.0, wall=4.0))
    save("gap", hearts.heart_labels(4, slice_mm=40.0))
    hole = good.array.copy()
    hole[4:6] = 0
    save("hole", good.with_array(hole))
    long = hearts.heart_labels(30, slice_mm=12.0)
    save("long", long)
    # Something the size of a liver, and a speck far from the heart.
    save("large", hearts.heart_labels(8, 200, radius=120.0))
    far = np.pad(good.array, ((0, 0), (0, 150), (0, 150)))
    far[5, -3:, -3:] = 1
    save("speck", Volume(far, good.ijk_to_ras))
    return folder
