"""The benchmarks measure what they say: smoke versions on few, small inputs, with the bundles that ship."""

import itertools
import re

import numpy as np
import pytest

from SynthLogic import benchmarks
from SynthLogic.benchmarks import cases, geometry, quality, speed
from SynthLogic.errors import ConfigError
from SynthLogic.phantoms import make_subject
from SynthLogic.volume import Volume

SMALL = {"shape": (8, 72, 88), "spacing": (4.0, 4.0, 8.0)}


@pytest.fixture
def few(monkeypatch):
    """Two small unseen subjects instead of ten large ones."""
    monkeypatch.setattr(
        quality,
        "unseen_subjects",
        lambda count: (make_subject(cases.TEST_SEED, n, **SMALL) for n in range(2)),
    )


def test_variants_are_48_storages_of_the_same_points():
    volume = Volume(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.diag([1.0, 2.0, 3.0, 1.0]))
    variants = list(geometry.stored_variants(volume))
    assert len({(v.array.tobytes(), v.shape, v.ijk_to_ras.tobytes()) for v in variants}) == 48
    for variant in variants:
        k, j, i = (int(n[0]) for n in np.nonzero(variant.array == 17))
        assert np.allclose((variant.ijk_to_ras @ [i, j, k, 1])[:3], (1, 2, 3))


def test_rotation_is_rigid():
    for angles in itertools.product((0.0, 33.0, -70.0), repeat=3):
        turn = geometry.rotation(angles)[:3, :3]
        assert np.allclose(turn @ turn.T, np.eye(3))
        assert np.linalg.det(turn) == pytest.approx(1)


def test_reference_and_input_of_a_case_lie_on_one_grid():
    subject = make_subject(0, 0, **SMALL)
    for direction in cases.DIRECTIONS:
        case = cases.case_of(subject, direction)
        assert case.input.grid.is_close(case.reference.grid)
        assert case.body.shape == case.input.shape
    reference = cases.case_of(subject, "ct-to-mr").reference.array
    assert reference.min() >= 0
    assert reference.max() <= 1000


def test_unseen_subjects_are_not_those_of_any_recipe():
    from SynthLogic.resources import resource_folder

    seeds = set()
    for recipe in (resource_folder() / "training").glob("*.yaml"):
        seeds |= set(re.findall(r"--seed (\d+)", recipe.read_text(encoding="utf-8")))
    assert seeds
    assert not seeds & {str(cases.TEST_SEED)}


def test_quality_prints_all_methods_side_by_side(few, tmp_path):
    tables = benchmarks.run(["quality"], tmp_path)
    assert len(tables) == 3
    for table in tables[:2]:
        assert len(table.rows) == 5
        errors = [row[1] for row in table.rows]
        assert all(np.isfinite(errors))
        assert errors[1] <= errors[0] * 1.001  # one table per subject is never worse than one for all
        assert errors[4] < errors[0]  # knowing the tissue beats knowing the voxel
    assert len(tables[2].rows) == 6
    assert "look-up table" in (tmp_path / "quality.md").read_text(encoding="utf-8")


def test_plain_loop_is_the_same_network():
    bundle = cases.shipped("ct-to-mr")
    subject = make_subject(1, 0, **SMALL)
    import torch

    from SynthLogic.inference import Engine

    stack = torch.from_numpy(bundle.card.input.intensity.forward(subject.ct)[0])[:, None]
    slow = speed.plain_loop(bundle.load_network(), stack)[:, 0].numpy()
    engine_volume = Volume(subject.ct.array, np.diag([2.0, 2.0, 2.0, 1.0]))
    fast = Engine(bundle, "cpu", "fp32").run(engine_volume).volume.array
    assert np.abs((slow + 1) * 500 - fast).max() <= 1.0


def test_supervised_and_unpaired_share_a_generator():
    for direction in cases.DIRECTIONS:
        ours, baseline = cases.shipped(direction).card, cases.supervised(direction).card
        assert ours.network == baseline.network
        assert ours.input == baseline.input
        assert ours.output == baseline.output


def test_all_that_ships_is_small():
    from SynthLogic.resources import resource_folder

    size = {f: f.stat().st_size for f in resource_folder().rglob("*") if f.is_file()}
    assert sum(size.values()) < 40e6
    for folder in (resource_folder() / "bundles").iterdir():
        assert sum(s for f, s in size.items() if folder in f.parents) < 12e6


@pytest.mark.parametrize(("names", "why"), [(["beauty"], "unknown"), (["real"], "--real-data")])
def test_what_cannot_be_measured_is_said_before_anything_is_measured(names, why, tmp_path):
    with pytest.raises(ConfigError, match=why):
        benchmarks.run(names, tmp_path)
    assert not list(tmp_path.iterdir())


def test_demo_writes_what_it_says(tmp_path, monkeypatch):
    from SynthLogic.benchmarks import demo

    monkeypatch.setattr(demo, "make_subject", lambda *a, **k: make_subject(*a, **{**k, **SMALL}))
    summary = demo.run_demo(tmp_path / "demo")
    assert len(summary.tables[0].rows) == 2
    assert all(path.is_file() for path in summary.files)
    assert {p.name for p in summary.files} >= {"ct-to-mr.png", "mr-to-ct.png", "synthetic-mr.record.json"}
