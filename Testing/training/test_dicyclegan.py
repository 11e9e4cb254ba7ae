"""DicycleGAN's losses against their formulas, and what it refuses."""

from typing import Any

import pytest
import torch

from SynthLogic.data import Batches, load_library
from SynthLogic.errors import ConfigError
from SynthLogic.losses import normalised_mutual_information
from SynthLogic.methods import method_named, parse_config
from SynthLogic.methods.dicyclegan import DicycleGan

from .conftest import Untrained

Plain = dict[str, Any]


class Bare(Untrained, DicycleGan):
    """Without a trainer."""


@pytest.fixture
def plain(toy: Plain) -> Plain:
    toy |= {"method": "dicyclegan", "losses": {}}
    toy["network"] = {"name": "dicycle-generator", "arguments": {"features": 4, "blocks": 2}}
    return toy


@pytest.fixture
def method(plain: Plain) -> Bare:
    method = Bare(parse_config(plain))
    for generator in method.generators.values():
        for layer in generator.offsets:
            torch.nn.init.normal_(layer.predict.bias)
    return method


@pytest.fixture
def batch(method: Bare) -> dict[str, torch.Tensor]:
    data = method.config.data
    return Batches(data, load_library(data, data.a), load_library(data, data.b), size=2, seed=1).batch(0)


def test_losses_are_the_published_ones(method: Bare, batch: dict[str, torch.Tensor]) -> None:
    g, f = method.generators["a_to_b"], method.generators["b_to_a"]
    a, b = batch["a_target"], batch["b_target"]
    with torch.no_grad():
        straight = g(batch["a_input"]), f(batch["b_input"])
        bent = g(batch["a_input"], deformed=True), f(batch["b_input"], deformed=True)
        assert not torch.allclose(straight[0], bent[0], atol=1e-3)
        cycle = (f(straight[0]) - a).abs().mean() + (g(straight[1]) - b).abs().mean()
        dicycle = (f(bent[0], deformed=True) - a).abs().mean() + (g(bent[1], deformed=True) - b).abs().mean()
        align = 2 - normalised_mutual_information(a, straight[0]).mean()
        align -= normalised_mutual_information(b, straight[1]).mean()
        scores = method.discriminators["b"](bent[0])[-1], method.discriminators["a"](bent[1])[-1]
        adversarial = sum(((s - 1) ** 2).mean() for s in scores)
    losses = method.step(batch)
    for name, expected in (
        ("cycle", cycle),
        ("dicycle", dicycle),
        ("align", align),
        ("adversarial", adversarial),
    ):
        assert losses[name].item() == pytest.approx(float(expected), rel=1e-4), name
    total = adversarial + 10 * cycle + 10 * dicycle + 0.9 * align
    assert losses["generators"].item() == pytest.approx(float(total), rel=1e-4)


def test_the_contest_alone_moves_the_offsets(method: Bare, batch: dict[str, torch.Tensor]) -> None:
    method.weights = method.weights.model_copy(update={"lambda_dicycle": 0.0})
    method.step(batch)
    assert all(p.grad.abs().sum() > 0 for p in method.generators["a_to_b"].offsets.parameters())
    method.zero_grad()
    given = method.translate(batch, "cycle")
    (method.cycle(batch, given, "cycle") + given["a"].sum()).backward()
    found = [p.grad for p in method.generators["b_to_a"].offsets.parameters()]
    assert all(g is None or not g.any() for g in found)


def test_weights_are_the_published_ones(plain: Plain) -> None:
    weights = method_named("dicyclegan")(parse_config(plain)).weights
    assert (weights.lambda_cycle, weights.lambda_dicycle, weights.lambda_align) == (10.0, 10.0, 0.9)


def test_a_network_with_one_way_is_refused(plain: Plain) -> None:
    plain["network"]["name"] = "resnet-generator"
    with pytest.raises(ConfigError, match="trains the network 'dicycle-generator'"):
        method_named("dicyclegan")(parse_config(plain))


def test_other_methods_do_not_know_its_losses(toy: Plain) -> None:
    toy["losses"] = {"lambda_align": 1}
    with pytest.raises(ConfigError, match="lambda_align"):
        method_named("cyclegan")(parse_config(toy))
