"""A training may begin with the weights of a bundle, and its own bundle says so."""

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from SynthLogic.bundles import Bundle, Licence, rewrite_bundle
from SynthLogic.errors import ConfigError, SynthError
from SynthLogic.methods import parse_config, train

Plain = dict[str, Any]


@pytest.fixture
def parents(toy: Plain, tmp_path: Path) -> Path:
    """Bundles of a short training, which had another data set."""
    before = copy.deepcopy(toy) | {"schedule": {"constant": 2, "decay": 0}}
    before["data"]["a"]["sources"][0]["name"] = "older toys"
    train(parse_config(before), tmp_path / "before")
    return tmp_path / "before" / "bundles"


def begun(toy: Plain, parents: Path, rate: float = 1e-12) -> Plain:
    """A training that changes nothing it begins with."""
    return toy | {
        "start_from": {
            "a_to_b": str(parents / "toy-ct-to-mr"),
            "b_to_a": str(parents / "toy-mr-to-ct"),
        },
        "optimiser": {"lr": rate},
        "schedule": {"constant": 2, "decay": 2},
        "intervals": {**toy["intervals"], "checkpoint": 2},
    }


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(Bundle.open(folder).load_network().state_dict())


def test_its_weights_are_the_beginning_and_its_card_tells(toy: Plain, parents: Path, tmp_path: Path) -> None:
    train(parse_config(begun(toy, parents)), tmp_path / "run")
    for name in ("toy-ct-to-mr", "toy-mr-to-ct"):
        made, parent = Bundle.open(tmp_path / "run/bundles" / name), Bundle.open(parents / name)
        before, after = weights(parent.folder), weights(made.folder)
        assert all(torch.allclose(after[key], value, atol=1e-7) for key, value in before.items())
        assert [(a.name, a.version) for a in made.card.training.started_from] == [
            ("toy-ct-to-mr", "1.0.0"),
            ("toy-mr-to-ct", "1.0.0"),
        ]
        hashes = {a.weights for a in made.card.training.started_from}
        assert parent.card.files[parent.card.weights_path] in hashes
        # What it has seen and what its parent has seen, each once.
        names = [source.name for source in made.card.training.data]
        assert names == ["toys (CT)", "toys (MR)", "older toys (CT)"]
        assert str(tmp_path) not in made.card.to_json()
        text = (made.folder / "docs/README.md").read_text(encoding="utf-8")
        assert "began with the weights of `toy-ct-to-mr` 1.0.0 and `toy-mr-to-ct` 1.0.0" in text


def test_other_weights_without_it(toy: Plain, parents: Path, tmp_path: Path) -> None:
    plain = begun(toy, parents) | {"start_from": {}}
    plain["seed"] = 4
    train(parse_config(plain), tmp_path / "run")
    before = weights(parents / "toy-ct-to-mr")
    after = weights(tmp_path / "run/bundles/toy-ct-to-mr")
    assert not all(torch.allclose(after[key], value, atol=1e-3) for key, value in before.items())
    assert Bundle.open(tmp_path / "run/bundles/toy-ct-to-mr").card.training.started_from == ()


def test_a_resumed_run_needs_the_bundles_no_more(toy: Plain, parents: Path, tmp_path: Path) -> None:
    def stop(line: Any) -> None:
        if line.losses and line.done == 3:
            raise InterruptedError

    plain = begun(toy, parents, rate=1e-3)
    train(parse_config(plain), tmp_path / "straight")
    with pytest.raises((InterruptedError, SynthError)):
        train(parse_config(plain), tmp_path / "run", progress=stop)
    shutil.rmtree(parents)
    train(parse_config(plain), tmp_path / "run")
    straight, resumed = (Bundle.open(tmp_path / run / "bundles/toy-ct-to-mr") for run in ("straight", "run"))
    assert resumed.card.training.started_from == straight.card.training.started_from != ()
    assert resumed.card.training.data == straight.card.training.data
    one, other = weights(straight.folder), weights(resumed.folder)
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"start_from": {"forth": "x"}}, r"names 'forth', which this method does not train; it has a_to_b"),
        ({"start_from": {"a_to_b": "no-such-bundle"}}, r"start_from\.a_to_b: There is no bundle"),
        (
            {"network": {"name": "resnet-generator", "arguments": {"features": 8, "blocks": 1}}},
            r"network of 'toy-ct-to-mr' is another one; take 'network' \(resnet-generator\)",
        ),
    ],
)
def test_refuses_what_does_not_fit(
    toy: Plain, parents: Path, tmp_path: Path, change: Plain, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        train(parse_config(begun(toy, parents) | change), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_another_beginning_is_another_run(toy: Plain, parents: Path, tmp_path: Path) -> None:
    train(parse_config(begun(toy, parents)), tmp_path / "run")
    with pytest.raises(ConfigError, match="another 'start_from'"):
        train(parse_config(begun(toy, parents) | {"start_from": {}}), tmp_path / "run")


def test_a_restricted_licence_is_inherited(
    toy: Plain, parents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = Bundle.open(parents / "toy-ct-to-mr")
    restricted = Licence(spdx="CC-BY-NC-4.0", restricted=True, notice="Not for sale.")
    rewrite_bundle(parent, parent.card.model_copy(update={"licence": restricted}), licence="Not for sale.")
    plain = begun(toy, parents)
    # Whoever has not agreed to the licence cannot use the weights at all.
    with pytest.raises(SynthError, match=r"[Ll]icen"):
        train(parse_config(plain), tmp_path / "run")
    monkeypatch.setattr("SynthLogic.bundles.store._noted", lambda *_: True)
    with pytest.raises(ConfigError, match=r"restricted licence .*also holds for what is made of them"):
        train(parse_config(plain), tmp_path / "run")
    plain["licence"] = restricted.model_dump()
    train(parse_config(plain), tmp_path / "run")
