"""Label maps beside the patches, and the loss that uses them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from SynthLogic.data import Batches, load_library
from SynthLogic.data.library import Stack
from SynthLogic.data.patches import Keep, Placement, cut, cut_labels
from SynthLogic.errors import ConfigError
from SynthLogic.methods import TrainConfig, parse_config
from SynthLogic.methods.cyclegan import CycleGan

from .conftest import Bare, label_tissues

GROUPS = [[0], [1], [2, 3]]


@pytest.fixture
def labelled(config: TrainConfig, cohort: Path) -> TrainConfig:
    """The toy configuration with label maps: 1 body, 2 lung, 3 heart, read off the clean CT."""
    label_tissues(cohort)
    content = config.model_dump(mode="json")
    content["data"]["label_groups"] = GROUPS
    for domain in ("a", "b"):
        for source in content["data"][domain]["sources"]:
            source["labels"] = "labels.nii.gz"
    return parse_config(content)


def test_labels_lie_on_the_image(labelled: TrainConfig) -> None:
    """Each group's voxels have one value in the clean CT, wherever and however the patch was cut."""
    data = labelled.data
    batches = Batches(data, load_library(data, data.a), load_library(data, data.b), size=4, seed=3)
    for number in range(3):
        batch = batches.batch(number)
        labels, target = batch["a_labels"], batch["a_target"]
        assert labels.shape == (4, 3, *target.shape[2:])
        assert torch.equal(labels.sum(1), torch.ones_like(labels[:, 0]))
        body = target[:, 0][labels[:, 1] == 1]
        air = target[:, 0][labels[:, 0] == 1]
        assert (body > -0.5).float().mean() > 0.9
        assert (air < -0.5).float().mean() > 0.9


def test_labels_and_image_are_cut_from_the_same_place() -> None:
    array = np.zeros((6, 30, 30), np.float32)
    array[:, 8:14, 17:25] = 1
    stack = Stack(
        (array * 2 - 1).astype(np.float16),
        (array * 2 - 1).astype(np.float16),
        (2.0, 2.0, 2.0),
        0,
        "",
        {"axial": np.arange(6)},
        labels=(7 * array).astype(np.uint8),
    )
    placement = Placement("axial", 3, 1.5, 0.3, (2.0, -3.0), False, None)
    (image,), _ = cut(stack, placement, 32)
    inside = cut_labels(stack, placement, 32) == 7
    assert inside.sum() > 50
    assert image[inside].mean() > 0.6
    assert image[~inside].mean() < -0.8


def test_outside_the_volume_and_the_field_of_view_is_outside() -> None:
    stack = Stack(
        *[np.ones((4, 8, 8), np.float16)] * 2, (2.0, 2.0, 2.0), 0, "", {}, np.full((4, 8, 8), 3, np.uint8)
    )
    placement = Placement("axial", 1, 2.0, 0.0, (0.0, 0.0), False, None)
    labels = cut_labels(stack, placement, 16)
    assert np.array_equal(labels == 3, np.pad(np.ones((8, 8), bool), 4))
    assert (labels[:4] == 0).all()
    kept = Placement("axial", 1, 2.0, 0.0, (0.0, 0.0), False, Keep("box", (8.0, 8.0), (2.0, 2.0)))
    assert (cut_labels(stack, kept, 16) == 3).sum() == 16


def test_a_volume_without_labels_has_none() -> None:
    stack = Stack(*[np.ones((4, 8, 8), np.float16)] * 2, (2.0, 2.0, 2.0), 0, "", {})
    placement = Placement("axial", 1, 2.0, 0.0, (0.0, 0.0), False, None)
    assert cut_labels(stack, placement, 16) is None


def test_generators_and_discriminators_see_images_alone(labelled: TrainConfig) -> None:
    method = CycleGan(labelled)
    for networks in (method.generators, method.discriminators):
        assert all(next(network.parameters()).shape[1] == 1 for network in networks.values())


def test_tissue_loss_needs_labels(config: TrainConfig) -> None:
    with pytest.raises(ConfigError, match="lambda_tissue"):
        CycleGan(config.model_copy(update={"losses": {"lambda_tissue": 1.0}}))


def test_tissue_loss_of_a_step_takes_the_labels_of_the_subject_shown(labelled: TrainConfig) -> None:
    data = labelled.data
    batch = Batches(data, load_library(data, data.a), load_library(data, data.b), size=2, seed=1).batch(0)
    method = CycleGan(labelled.model_copy(update={"losses": {"lambda_tissue": 1.0}}))
    fakes = {"a": batch["b_input"], "b": batch["a_input"]}
    method.tissue(batch, fakes)
    expected = 0.0
    for domain, other in (("a", "b"), ("b", "a")):
        expected += float(method.tissues[domain](fakes[domain], batch[f"{other}_labels"]))
    again = CycleGan(labelled.model_copy(update={"losses": {"lambda_tissue": 1.0}}))
    assert float(again.tissue(batch, fakes)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("groups", [[[1], [2]], [[0, 1], [1]], [[0], [300]]])
def test_wrong_groups_are_refused(config: TrainConfig, groups: list[list[int]]) -> None:
    content = config.model_dump(mode="json")
    content["data"]["label_groups"] = groups
    with pytest.raises(ConfigError, match="label_groups"):
        parse_config(content)


def test_missing_label_map_is_said(labelled: TrainConfig) -> None:
    content = labelled.model_dump(mode="json")
    content["data"]["a"]["sources"][0]["labels"] = "nowhere.nii.gz"
    data = parse_config(content).data
    with pytest.raises(ConfigError, match="nowhere"):
        load_library(data, data.a)


def test_tissue_first_teaches_the_generators_by_tissues_alone(labelled: TrainConfig) -> None:
    data = labelled.data
    batch = Batches(data, load_library(data, data.a), load_library(data, data.b), size=2, seed=1).batch(0)
    losses = {"lambda_tissue": 20.0, "tissue_first": 1}
    method = Bare(labelled.model_copy(update={"losses": losses}))
    before = {name: value.clone() for name, value in method.state_dict().items()}
    assert set(method.step(batch)) == {"tissue"}
    moved = {n.split(".")[0] for n, v in method.state_dict().items() if not torch.equal(v, before[n])}
    assert moved == {"generators", "tissues"}
    method.iteration = 1
    assert {"tissue", "cycle", "adversarial", "discriminators"} < set(method.step(batch))


def test_tissue_first_without_tissue_loss_is_refused(config: TrainConfig) -> None:
    with pytest.raises(ConfigError, match="lambda_tissue"):
        CycleGan(config.model_copy(update={"losses": {"tissue_first": 3}}))
