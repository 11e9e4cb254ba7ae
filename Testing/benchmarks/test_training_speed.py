"""The plain loop does the same work, and the table says what was measured."""

import pytest
import torch

from SynthLogic.benchmarks import training_speed
from SynthLogic.methods import parse_config


def test_the_textbook_takes_the_same_step(tmp_path):
    plain = training_speed._recipe(tmp_path, 32, 4, 1, 3)
    config = parse_config({**plain, "precision": "32-true", "discriminator": {"features": 4, "layers": 2}})
    torch.manual_seed(0)
    ours = training_speed._Bare(config)
    theirs = training_speed._Textbook(config, torch.device("cpu"))
    theirs.to_b.load_state_dict(ours.generators["a_to_b"].state_dict())
    theirs.to_a.load_state_dict(ours.generators["b_to_a"].state_dict())
    theirs.judges.load_state_dict(ours.discriminators.state_dict())
    a, b = torch.rand(2, 1, 1, 32, 32) * 2 - 1
    before = ours.generators["a_to_b"].last.weight.clone()
    ours.step({"a_input": a, "a_target": a, "b_input": b, "b_target": b})
    theirs.step(a, b)
    for one, other in (
        (ours.generators["a_to_b"], theirs.to_b),
        (ours.generators["b_to_a"], theirs.to_a),
        (ours.discriminators, theirs.judges),
    ):
        for x, y in zip(one.parameters(), other.parameters(), strict=True):
            # Adam's first step is the learning rate whatever the gradient: the gradients themselves tell.
            assert x.grad is not None
            assert y.grad is not None
            assert torch.allclose(x.grad, y.grad, rtol=1e-3, atol=1e-3 * float(y.grad.abs().max()))
            assert (x - y).abs().mean() < 2e-5
    assert (ours.generators["a_to_b"].last.weight - before).abs().mean() > 1e-4


def test_the_table(monkeypatch):
    (table,) = training_speed.training_tables(
        lambda *_: None, patch=32, features=4, blocks=1, rounds=2, iterations=6
    )
    plain, ours, ratio, busy = (row[1] for row in table.rows)
    assert ratio == pytest.approx(plain / ours)
    assert 0 <= busy <= 100
    assert table.rows[2][3] == (ratio >= 1.5)
