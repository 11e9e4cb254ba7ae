import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.utils.data import DataLoader

from SynthLogic.data import HeartBatches, HeartDataConfig, load_hearts
from SynthLogic.data.heart_augmentation import draw_change, move_image, move_labels, where
from SynthLogic.data.heart_library import list_hearts
from SynthLogic.errors import ConfigError, InputError

from .heart_toys import GAP, PIXEL, heart_labels, heart_source

Plain = dict[str, Any]
STILL = {"rotation_deg": 0, "scale": [1, 1], "shift_mm": 0, "bend_mm": 0, "drop": {}}
STILL |= {"gain": [1, 1], "gamma": [1, 1]}


def parsed(plain: Plain, **changes: Any) -> HeartDataConfig:
    return HeartDataConfig.model_validate({**plain["data"], **changes})


def batches(plain: Plain, images: bool = True, **changes: Any) -> HeartBatches:
    config = parsed(plain, **changes)
    return HeartBatches(config, load_hearts(config, images), images=images, size=4, seed=1)


def test_hearts_are_read_into_the_frame(spade: Plain) -> None:
    library = load_hearts(parsed(spade), images=True)
    assert len(library.stacks) == 8
    assert sorted({s.style for s in library.stacks}) == [0, 1]
    for stack in library.stacks:
        assert stack.labels.shape == stack.image.shape == (5, 40, 40)
        assert stack.slices.tolist() == [0, 1, 2, 3, 4]
        assert stack.heights.tolist() == [0, 0.25, 0.5, 0.75, 1]
        assert set(np.unique(stack.labels)) == {0, 1, 2, 3}
        assert stack.image.min() == -1
        assert stack.image.max() == 1
        # The cavity grows from apex to base, and the right ventricle lies towards +I.
        assert (np.diff((stack.labels == 1).sum((1, 2))) >= 0).all()
        assert np.nonzero(stack.labels == 3)[2].mean() > np.nonzero(stack.labels == 1)[2].mean() + 3
        bright = {label: stack.image[stack.labels == label].mean() for label in (0, 1, 2)}
        assert bright[1] > bright[0] > bright[2] or bright[1] > bright[2] > bright[0]


def test_labels_alone_need_no_images(spade: Plain, tmp_path: Path, hearts: Path) -> None:
    shutil.copytree(hearts / "sub-0001", tmp_path / "sub-0001")
    (tmp_path / "sub-0001" / "ed.nii.gz").unlink()
    spade["data"]["roots"]["cohort"] = str(tmp_path)
    assert all(s.image is None for s in load_hearts(parsed(spade), images=False).stacks)
    with pytest.raises(ConfigError, match=r"ed\.nii\.gz is missing"):
        load_hearts(parsed(spade), images=True)


def test_values_are_renamed_and_others_are_background(
    spade: Plain, tmp_path: Path, image_writer: Callable[..., None]
) -> None:
    labels = heart_labels()
    path = tmp_path / "P-1_labels.nii.gz"
    image_writer(path, np.array([0, 50, 7, 99])[labels], (PIXEL, PIXEL, GAP))
    source = heart_source(glob="*.nii.gz", labels={50: "lv_cavity", 7: "myocardium"})
    source["complete"] = ["lv_cavity", "myocardium"]
    spade["data"]["roots"]["cohort"] = str(tmp_path)
    (stack,) = load_hearts(parsed(spade, sources=[source]), images=False).stacks
    assert set(np.unique(stack.labels)) == {0, 1, 2}
    assert stack.complete == (True, True, True, False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"style": "vendor-{scanner}"}, "has no 'scanner'"),
        ({"style": "toshiba"}, "not among"),
        ({"image": {"replace": "_mask", "by": ""}}, "does not contain '_mask'"),
        ({"image": {"replace": "_labels", "by": "_image"}}, "is missing beside"),
        ({"image": None}, "has no images"),
        ({"style": None}, "has no style"),
        ({"labels": {0: "lv_cavity"}}, "at least one value"),
        ({"labels": {1: "lv_cavity"}}, "complete names 'myocardium'"),
        ({"labels": {1: "atrium"}}, "Input should be"),
        ({"heights": [0.8, 0.2]}, "must ascend"),
        ({"glob": "nothing*"}, "'toy hearts' of the heart data is empty"),
    ],
)
def test_wrong_sources_are_refused(spade: Plain, change: Plain, message: str) -> None:
    with pytest.raises((ConfigError, ValueError), match=message):
        list_hearts(parsed(spade, sources=[heart_source(**change)]), images=True)


def test_styles_that_are_not_listed_are_refused(spade: Plain) -> None:
    with pytest.raises(ConfigError, match=r"'vendor-b' of .* is not in data\.styles"):
        list_hearts(parsed(spade, styles=spade["data"]["styles"][:1]), images=True)


def test_an_empty_label_map_is_named(spade: Plain, tmp_path: Path, image_writer: Callable[..., None]) -> None:
    image_writer(tmp_path / "sub-0009" / "ed_labels.nii.gz", np.zeros((4, 9, 9)))
    spade["data"]["roots"]["cohort"] = str(tmp_path)
    with pytest.raises(InputError, match=r"ed_labels\.nii\.gz: .*empty"):
        load_hearts(parsed(spade), images=False)


def test_held_out_hearts_are_refused(spade: Plain, tmp_path: Path, hearts: Path) -> None:
    with pytest.raises(ConfigError, match=r"sub-0002.*both trained on and held out"):
        load_hearts(parsed(spade, held_out=["cohort:sub-0002/ed.nii.gz"]), images=False)
    shutil.copytree(hearts / "sub-0003", tmp_path / "someone")
    roots = {"cohort": str(hearts), "real": str(tmp_path)}
    with pytest.raises(ConfigError, match="both trained on and held out"):
        load_hearts(parsed(spade, roots=roots, held_out=["real:*/ed.nii.gz"]), images=False)


def test_absent_optional_hearts_are_reported(spade: Plain) -> None:
    sources = [heart_source(), heart_source(name="real hearts", root="real", required=False, weight=3)]
    library = load_hearts(parsed(spade, sources=sources), images=False)
    assert library.weights == (1.0, 0.0)
    assert library.notes == ("Source 'real hearts' is not here; trained without it.",)


def test_heights_and_slices_beyond(vae: Plain) -> None:
    def slices(**change: Any) -> list[int]:
        config = parsed(vae, sources=[heart_source(**change)])
        return load_hearts(config, images=False).stacks[0].slices.tolist()

    assert slices(heights=[0.2, 0.8]) == [1, 2, 3]
    assert slices(beyond=1) == [0, 1, 2, 3, 4]
    with pytest.raises(ConfigError, match="No heart has a slice to draw"):
        slices(heights=[0.3, 0.4])
    sources = [heart_source(), heart_source(name="narrow", heights=[0.3, 0.4])]
    library = load_hearts(parsed(vae, sources=sources), images=False)
    assert len(library.stacks) == 8
    assert set(library.notes) == {"A heart of 'narrow' has no slice to draw; it is left out."}


def test_the_right_ventricles_wall_is_taken_away(
    vae: Plain, tmp_path: Path, image_writer: Callable[..., None]
) -> None:
    labels = heart_labels()
    right = ndimage.binary_dilation(labels == 3, np.ones((1, 3, 3)))
    walled = np.where(right & (labels == 0), 2, labels)
    vae["data"]["roots"]["cohort"] = str(tmp_path)
    sizes = {}
    for name, array in (("bare", labels), ("walled", walled)):
        image_writer(tmp_path / name / "ed_labels.nii.gz", array, (PIXEL, PIXEL, GAP))
        for rv_wall in (False, True):
            source = heart_source(glob=f"{name}/*.nii.gz", rv_wall=rv_wall)
            (stack,) = load_hearts(parsed(vae, sources=[source]), images=False).stacks
            sizes[name, rv_wall] = int((stack.labels == 2).sum())
    assert sizes["walled", False] > 1.15 * sizes["bare", False]
    assert sizes["walled", True] == pytest.approx(sizes["bare", False], rel=0.1)
    assert sizes["bare", True] == pytest.approx(sizes["bare", False], rel=0.05)


def test_shapes_types_and_range(spade: Plain) -> None:
    batch = batches(spade).batch(0)
    assert {key: (tuple(v.shape), v.dtype) for key, v in batch.items()} == {
        "labels": ((4, 4, 32, 32), torch.float32),
        "other_labels": ((4, 4, 32, 32), torch.float32),
        "image": ((4, 1, 32, 32), torch.float32),
        "other": ((4, 1, 32, 32), torch.float32),
        "height": ((4,), torch.float32),
        "complete": ((4, 4), torch.bool),
        "style": ((4,), torch.int64),
    }
    for key in ("labels", "other_labels"):
        assert (batch[key].sum(1) == 1).all()
        assert set(batch[key].unique().tolist()) == {0, 1}
    assert batch["image"].abs().max() <= 1
    assert set(batches(spade, images=False).batch(0)) == {"labels", "height", "complete"}


def test_a_sample_depends_on_seed_and_index_alone(spade: Plain) -> None:
    stream = batches(spade)
    together = stream.batch_of(range(6, 10))
    for n in range(4):
        alone = stream.starting_at(3).batch_of(range(6 + n, 7 + n))
        assert all(torch.equal(alone[key][0], together[key][n]) for key in together)
    assert not torch.equal(stream.pictures(4)["labels"], stream.batch(0)["labels"])
    stream.seed = 2
    assert not torch.equal(stream.batch_of(range(6, 10))["labels"], together["labels"])


@pytest.mark.parametrize("workers", [0, 2])
def test_the_stream_starts_anywhere_and_ignores_the_number_of_workers(spade: Plain, workers: int) -> None:
    stream = batches(spade)
    loader = iter(DataLoader(stream.starting_at(5), batch_size=None, num_workers=workers))
    for number in (5, 6, 7):
        batch, expected = next(loader), stream.batch(number)
        assert all(torch.equal(batch[key], expected[key]) for key in expected)


def test_without_augmentation_slices_are_the_stacks(spade: Plain) -> None:
    stream = batches(spade, augmentation=STILL)
    known = {s.labels[k, 4:-4, 4:-4].tobytes() for s in stream.library.stacks for k in s.slices}
    batch = stream.batch_of(range(24))
    for one in batch["labels"].argmax(1).numpy().astype(np.uint8):
        assert one.tobytes() in known
    seen = torch.stack([batch["image"][batch["labels"][:, n : n + 1] > 0].mean() for n in range(3)])
    assert seen[1] > seen[0]


def test_labels_and_images_move_alike(spade: Plain) -> None:
    stream = batches(spade, augmentation={**STILL, "rotation_deg": 20, "bend_mm": 4, "scale": [0.8, 1.2]})
    batch = stream.batch_of(range(40))
    for style, (dark, bright) in enumerate(((2, 1), (2, 1))):
        chosen = batch["style"] == style
        image, labels = batch["image"][chosen, 0], batch["labels"][chosen]
        spread = [image[labels[:, n] > 0].std() for n in (dark, bright)]
        assert max(spread) < 0.35
        assert image[labels[:, bright] > 0].mean() - image[labels[:, dark] > 0].mean() > 0.8


def test_dropped_structures_are_background_and_not_complete(spade: Plain) -> None:
    drop = {"rv_cavity": 0.5, "myocardium": 0.2}
    batch = batches(spade, augmentation={**STILL, "drop": drop}).batch_of(range(200))
    gone = ~batch["complete"]
    assert not gone[:, :2].any()
    assert gone[:, 3].float().mean() == pytest.approx(0.5, abs=0.1)
    assert gone[:, 2].float().mean() == pytest.approx(0.2, abs=0.1)
    assert batch["labels"][gone].sum() == 0
    assert batch["other_labels"][gone].sum() == 0
    assert (batch["labels"][:, 2].sum((1, 2))[~gone[:, 2]] > 0).all()


def test_a_rotation_turns_by_what_it_says(spade: Plain) -> None:
    config = parsed(spade, augmentation={**STILL, "rotation_deg": 30})
    change = draw_change(config.augmentation, np.random.default_rng(1))
    rows, columns = np.mgrid[:40, :40] - 19.5
    angle = change.angle
    # What lies along +I lies, after the sampling grid turned by the angle, at minus the angle.
    bar = ((np.abs(rows) < 3) & (columns > 0)).astype(np.float32)
    one_hot = torch.from_numpy(np.stack([1 - bar, bar])[None])
    moved = move_labels(one_hot, where([change], config), [change])[0, 1].numpy()
    j, i = np.nonzero(moved)
    assert np.arctan2(j.mean() - 15.5, i.mean() - 15.5) == pytest.approx(-angle, abs=0.03)


def test_brightness_changes_within_the_range(spade: Plain) -> None:
    config = parsed(spade, augmentation={**STILL, "gain": [1.2, 1.2], "gamma": [2, 2]})
    change = draw_change(config.augmentation, np.random.default_rng(1))
    image = torch.full((1, 1, 40, 40), 0.0)
    moved = move_image(image, where([change], config), [change])
    torch.testing.assert_close(moved, torch.full_like(moved, 0.5**2 * 1.2 * 2 - 1))
    assert move_image(image + 1, where([change], config), [change]).max() <= 1


def test_sources_are_drawn_by_weight(spade: Plain, hearts: Path) -> None:
    sources = [
        heart_source(glob="sub-0001/e?_labels.nii.gz", weight=3),
        heart_source(glob="sub-0002/e?_labels.nii.gz", weight=1),
    ]
    batch = batches(spade, sources=sources).batch_of(range(200))
    vendor = json.loads((hearts / "sub-0001" / "subject.json").read_text())["vendor"]
    first = "ab".index(vendor)
    assert (batch["style"] == first).float().mean() == pytest.approx(0.75, abs=0.08)
