"""A network that finds structures: data, losses, early stopping, and the bundle at work."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from SynthLogic.bundles import Bundle
from SynthLogic.data import load_library
from SynthLogic.data.segmentation import SegmentationBatches
from SynthLogic.errors import BundleError, ConfigError, InputError
from SynthLogic.inference import Engine, StructureFinder
from SynthLogic.methods import method_named, parse_config, train
from SynthLogic.methods.run_folder import RunFolder
from SynthLogic.volume import Volume, read_volume

from .conftest import label_tissues

Plain = dict[str, Any]


@pytest.fixture
def plain(toy: Plain, cohort: Path) -> Plain:
    """Lung and heart in the toys' CT; 1 body, 2 lung, 3 heart, read off the clean CT."""
    label_tissues(cohort)
    data = toy["data"]
    image = data["a"]
    image["sources"][0] |= {"labels": "labels.nii.gz", "subjects": "all"}
    mr = data["b"]
    mr["sources"][0] |= {"subjects": "all"}
    keys = (
        "seed",
        "schedule",
        "batch",
        "precision",
        "ema_decay",
        "device",
        "intervals",
        "coverage",
        "limits",
    )
    return {
        **{key: toy[key] for key in keys},
        "method": "unet",
        "bundle": {"name": "toy-structures", "title": "toy", "description": "toy"},
        "network": {"name": "unet-segmenter", "arguments": {"features": 8, "levels": 2}},
        "optimiser": {"lr": 5e-3, "betas": [0.9, 0.999]},
        "schedule": {"constant": 100, "decay": 20},
        "data": {
            "roots": {"cohort": str(cohort)},
            "image": image,
            "structures": {"lung": [2], "heart": [3]},
            "sampling": {**data["sampling"], "planes": {"axial": 1.0}, "spacing_range_mm": [4.0, 4.0]},
            "_mr": mr,
        },
    }


def one(plain: Plain) -> Plain:
    plain["data"].pop("_mr", None)
    return plain


def two(plain: Plain) -> Plain:
    plain["data"]["second"] = plain["data"].pop("_mr")
    return plain


def test_a_batch_has_images_and_labels_of_one_place(plain: Plain) -> None:
    config = parse_config(two(plain)).data
    domains = config.as_domains()
    image, second = (load_library(domains, d) for d in (config.image, config.second))
    batch = SegmentationBatches(config, image, second, size=24, seed=1).batch(0)
    assert batch["image"].shape == (24, 2, 32, 32)
    assert batch["labels"].shape == (24, 3, 32, 32)
    assert torch.equal(batch["labels"].sum(1), torch.ones(24, 32, 32))
    heart = batch["labels"][:, 2] > 0
    # In CT and MR alike the heart is bright: both are cut where the labels are.
    for channel in (0, 1):
        values = batch["image"][:, channel]
        assert values[heart].median() > values[~heart].median() + 0.3


def test_it_finds_the_structures_of_unseen_subjects(plain: Plain, cohort: Path, tmp_path: Path) -> None:
    plain = one(plain)
    plain["data"]["split"] = {"held_out": 0.25, "seed": 1}
    plain["losses"] = {"validate_every": 20}
    result = train(parse_config(plain), tmp_path / "run")
    rows = (tmp_path / "run" / "held_out.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "subject,image"
    assert len(rows) == 2
    (bundle,) = (Bundle.open(path) for path in result.bundles)
    assert bundle.card.task == "segment"
    assert bundle.card.output.labels == {"background": 0, "lung": 1, "heart": 2}
    image = Path(rows[1].partition(",")[2])
    scan = read_volume(image).volume
    found = StructureFinder(bundle, "cpu", "fp32").find(scan)
    assert found.labels.grid.is_close(scan.grid)
    assert found.labels.array.dtype == np.uint8
    truth = read_volume(image.with_name("labels.nii.gz")).volume.array
    for value, name in ((1, 2), (2, 3)):
        a, b = found.labels.array == value, truth == name
        assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.8


def test_storage_order_does_not_matter(plain: Plain, cohort: Path, tmp_path: Path) -> None:
    result = train(parse_config(one(plain)), tmp_path / "run")
    finder = StructureFinder(Bundle.open(result.bundles[0]), "cpu", "fp32")
    scan = read_volume(cohort / "sub-0001" / "ct.nii.gz").volume
    flip = np.diag([-1.0, 1, 1, 1])
    flip[0, 3] = scan.shape[2] - 1
    turned = Volume(scan.array[:, :, ::-1].copy(), scan.ijk_to_ras @ flip)
    assert np.array_equal(finder.find(turned).labels.array[:, :, ::-1], finder.find(scan).labels.array)


def test_two_images(plain: Plain, cohort: Path, tmp_path: Path) -> None:
    result = train(parse_config(two(plain)), tmp_path / "run")
    bundle = Bundle.open(result.bundles[0])
    assert bundle.card.second is not None
    assert bundle.card.second.modality == "MR"
    finder = StructureFinder(bundle, "cpu", "fp32")
    ct, mr = (read_volume(cohort / "sub-0001" / f"{name}.nii.gz").volume for name in ("ct", "mr"))
    found = finder.find(ct, mr).labels.array
    assert not np.array_equal(found, finder.find(ct, mr.with_array(mr.array[::-1].copy())).labels.array)
    with pytest.raises(InputError, match="looks at a CT and a MR of the same subject"):
        finder.find(ct)
    moved = mr.ijk_to_ras.copy()
    moved[0, 3] += 5
    with pytest.raises(InputError, match="does not lie on the scan's grid"):
        finder.find(ct, Volume(mr.array, moved))
    with pytest.raises(BundleError, match="finds structures; choose one that translates scans"):
        Engine(bundle, "cpu", "fp32")


def test_subvolumes(plain: Plain, cohort: Path, tmp_path: Path) -> None:
    plain = one(plain)
    plain["data"]["sampling"] |= {"spatial_dims": 3, "patch": 16}
    plain["schedule"] = {"constant": 3, "decay": 0}
    result = train(parse_config(plain), tmp_path / "run")
    scan = read_volume(cohort / "sub-0001" / "ct.nii.gz").volume
    found = StructureFinder(Bundle.open(result.bundles[0]), "cpu", "fp32").find(scan)
    assert found.labels.grid.is_close(scan.grid)
    assert found.planes == ()


def test_it_stops_when_nothing_gets_better(plain: Plain, tmp_path: Path) -> None:
    plain = one(plain)
    plain["data"]["split"] = {"held_out": 0.25}
    plain["losses"] = {"validate_every": 2, "patience": 2}
    plain["optimiser"]["lr"] = 1e-12
    result = train(parse_config(plain), tmp_path / "run")
    assert result.finished
    # The first trial is the best so far; two more bring nothing.
    assert result.iterations == 6
    again = train(parse_config(plain), tmp_path / "run")
    assert again.iterations == 6


def test_the_best_is_exported_and_comes_back(plain: Plain, tmp_path: Path) -> None:
    plain = one(plain)
    plain["data"]["split"] = {"held_out": 0.25}
    plain["losses"] = {"validate_every": 5}
    plain["schedule"] = {"constant": 20, "decay": 0}
    config = parse_config(plain)
    result = train(config, tmp_path / "run")
    checkpoint = RunFolder(tmp_path / "run").newest_checkpoint()
    assert checkpoint is not None
    saved = torch.load(checkpoint, weights_only=True)
    state = Bundle.open(result.bundles[0]).load_network().state_dict()
    for key, value in state.items():
        assert torch.equal(value, saved["state_dict"][f"best.network.{key}"])
    assert 0 <= saved["run"]["method"]["best_dice"] <= 1
    # Stopped half way and gone on with: the same weights.
    plain["schedule"] = {"constant": 10, "decay": 0}
    train(parse_config(plain), tmp_path / "halves")
    train(config, tmp_path / "halves")
    again = torch.load(RunFolder(tmp_path / "halves").newest_checkpoint(), weights_only=True)
    for key, value in saved["state_dict"].items():
        assert torch.equal(value, again["state_dict"][key]), key


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"structures": {}}, "structures"),
        ({"structures": {"lung": [0]}}, "each label once, from 1 to 255"),
        ({"structures": {"lung": [2], "heart": [2]}}, "each label once"),
        ({"structures": {"lung": []}}, "a structure names no label"),
        ({"split": {"held_out": 1.5}}, "held_out"),
        ({"split": {"held_out": 0.99}}, "without a subject"),
    ],
)
def test_bad_data_are_refused(plain: Plain, change: Plain, words: str, tmp_path: Path) -> None:
    plain = one(plain)
    plain["data"] |= change
    with pytest.raises(ConfigError, match=words):
        train(parse_config(plain), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_other_networks_and_images_without_labels_are_refused(plain: Plain) -> None:
    plain = one(plain)
    plain["network"] = {"name": "unet-generator"}
    with pytest.raises(ConfigError, match="trains the network 'unet-segmenter'"):
        method_named("unet")(parse_config(plain))
    plain["data"]["image"]["sources"][0]["labels"] = None
    with pytest.raises(ConfigError, match="has no 'labels'"):
        parse_config(plain)


def test_a_volume_without_labels_is_refused(plain: Plain, cohort: Path, tmp_path: Path) -> None:
    plain = one(plain)
    rows = ["image,labels,subject", *(f"sub-000{n}/ct.nii.gz,sub-000{n}/labels.nii.gz,P{n}" for n in (1, 2))]
    (cohort / "t.csv").write_text("\n".join([*rows, "sub-0003/ct.nii.gz,,P3"]) + "\n", encoding="utf-8")
    plain["data"]["image"]["sources"][0] |= {
        "glob": None,
        "labels": None,
        "reference": None,
        "table": "t.csv",
    }
    with pytest.raises(ConfigError, match="A volume has no label map"):
        train(parse_config(plain), tmp_path / "run")


def test_people_without_a_second_image_are_left_out(plain: Plain, cohort: Path, tmp_path: Path) -> None:
    plain = two(plain)
    plain["schedule"] = {"constant": 2, "decay": 0}
    plain["data"]["second"]["sources"][0]["subjects"] = "1-3"
    result = train(parse_config(plain), tmp_path / "run")
    assert "1 subjects have no second image; they are left out." in result.warnings


def test_before_any_trial_the_running_mean_is_exported(plain: Plain, tmp_path: Path) -> None:
    plain = one(plain)
    plain["data"]["split"] = {"held_out": 0.25}
    plain["schedule"] = {"constant": 20, "decay": 0}
    # Stopped before the first trial; a finished run is tried at its end.
    config = parse_config({**plain, "max_minutes": 1e-6})
    (bundle,) = train(config, tmp_path / "run").bundles
    saved = torch.load(RunFolder(tmp_path / "run").newest_checkpoint(), weights_only=True)
    assert saved["run"]["method"]["best_dice"] < 0
    state = Bundle.open(bundle).load_network().state_dict()
    assert all(torch.equal(v, saved["state_dict"][f"mean.network.{k}"]) for k, v in state.items())
    train(parse_config(plain), tmp_path / "run")
    saved = torch.load(RunFolder(tmp_path / "run").newest_checkpoint(), weights_only=True)
    assert saved["run"]["method"]["best_dice"] >= 0


def test_batch_normalisation_is_exported_as_it_ran(plain: Plain, tmp_path: Path) -> None:
    plain = one(plain)
    plain["network"]["arguments"] |= {"norm": "batch"}
    plain["schedule"] = {"constant": 5, "decay": 0}
    (bundle,) = train(parse_config(plain), tmp_path / "run").bundles
    state = Bundle.open(bundle).load_network().state_dict()
    means = [v for k, v in state.items() if k.endswith("running_mean")]
    assert means
    assert all(v.any() for v in means)
