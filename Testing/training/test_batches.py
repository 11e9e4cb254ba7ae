from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from SynthLogic.data import Batches, DataConfig, load_library
from SynthLogic.errors import ConfigError
from SynthLogic.methods import TrainConfig

KEYS = {"a_input", "a_target", "b_input", "b_target"}


@pytest.fixture
def batches(config: TrainConfig) -> Batches:
    data = config.data
    return Batches(data, load_library(data, data.a), load_library(data, data.b), size=2, seed=1)


def test_shape_type_and_range(batches: Batches) -> None:
    batch = batches.batch(0)
    assert set(batch) == KEYS
    for tensor in batch.values():
        assert tensor.shape == (2, 1, 32, 32)
        assert tensor.dtype == torch.float32
        assert tensor.abs().max() <= 1
    assert (batch["b_input"] != batch["b_target"]).any()


def test_a_sample_depends_on_seed_and_index_alone(batches: Batches) -> None:
    first = batches.sample(7)
    batches.sample(8)
    for key, value in batches.starting_at(3).sample(7).items():
        np.testing.assert_array_equal(value, first[key])
    others = [batches.sample(8), batches.sample(7, stream=1)]
    batches.seed = 2
    others.append(batches.sample(7))
    assert all(not np.array_equal(other["a_input"], first["a_input"]) for other in others)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_stream_starts_anywhere_and_ignores_the_number_of_workers(batches: Batches, workers: int) -> None:
    loader = iter(DataLoader(batches.starting_at(5), batch_size=None, num_workers=workers))
    for number in (5, 6, 7):
        batch, expected = next(loader), batches.batch(number)
        assert all(torch.equal(batch[key], expected[key]) for key in KEYS)


def test_pairs_show_one_place_of_one_subject(pairs: Callable[[str], TrainConfig]) -> None:
    data = pairs("a_to_b").data
    batches = Batches(data, load_library(data, data.a), load_library(data, data.b), size=1, seed=1)
    for index in range(8):
        sample = batches.sample(index)
        # CT -1000 to 300 and MR 0 to 900 of the toys both order air, lung, body, heart alike.
        correlation = np.corrcoef(sample["a_target"].ravel(), sample["b_target"].ravel())[0, 1]
        assert correlation > 0.5
        body_a, body_b = sample["a_target"] > -0.5, sample["b_target"] > -0.5
        assert (body_a == body_b).mean() > 0.9


def test_pairs_need_common_subjects(toy: dict[str, Any]) -> None:
    toy["data"]["paired"] = True
    data = DataConfig.model_validate(toy["data"])
    with pytest.raises(ConfigError, match="paired training"):
        Batches(data, load_library(data, data.a), load_library(data, data.b), size=1, seed=1)


def test_unpaired_domains_are_drawn_apart(batches: Batches) -> None:
    pairs = {(s.pair, t.pair) for s in batches.a.stacks for t in batches.b.stacks if s.pair == t.pair}
    assert not pairs
