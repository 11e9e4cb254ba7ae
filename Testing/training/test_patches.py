import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from SynthLogic.data import DataConfig, SamplingConfig, Stack, load_library
from SynthLogic.data.cutting import cut_values, draw_place
from SynthLogic.data.library import drawable
from SynthLogic.data.patches import Keep, Placement, blank, draw_placement
from SynthLogic.data.patches import cut as cut_channels
from SynthLogic.errors import ConfigError
from SynthLogic.volume import Volume, write_volume

PLANES = {"axial": 1.0, "coronal": 1.0, "sagittal": 1.0}


def stack(array: np.ndarray, spacing: tuple[float, float, float] = (2.0, 2.0, 2.0)) -> Stack:
    half = array.astype(np.float16)
    slices = {plane: np.arange(array.shape[n]) for n, plane in enumerate(PLANES)}
    return Stack(half, half, spacing, 0, "", slices)


def cut(stack: Stack, placement: Placement, patch: int) -> tuple[np.ndarray, np.ndarray]:
    """The one slice, without its axis of channels."""
    image, target = cut_channels(stack, placement, patch)
    return image[0], target[0]


def placement(**changes: Any) -> Placement:
    start: dict[str, Any] = {"plane": "axial", "index": 3, "spacing": 2.0, "angle": 0.0, "centre": (0.0, 0.0)}
    return Placement(**{**start, "mirrored": False, "keep": None, **changes})


def rough(shape: tuple[int, int, int] = (10, 32, 32)) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float16)


@pytest.mark.parametrize(("plane", "axis"), [("axial", 0), ("coronal", 1), ("sagittal", 2)])
def test_patch_at_native_spacing_is_the_slice(plane: str, axis: int) -> None:
    array = rough((32, 32, 32))
    patch, target = cut(stack(array), placement(plane=plane), 32)
    np.testing.assert_allclose(patch, np.take(array, 3, axis), atol=2e-3)
    np.testing.assert_array_equal(patch, target)


def test_outside_the_volume_is_background() -> None:
    patch, _ = cut(stack(np.full((10, 16, 16), 0.5)), placement(), 32)
    np.testing.assert_allclose(patch[8:24, 8:24], 0.5, atol=1e-3)
    assert (patch[:7] == -1).all()
    assert (patch[:, 25:] == -1).all()


def test_a_marker_lands_where_geometry_says() -> None:
    array = np.full((10, 41, 41), -1.0)
    array[3, 10:13, 30:33] = 1.0  # centre at row 11, column 31: (-18, +22) mm from the middle
    spacing, angle, centre = 1.5, 0.3, (4.0, -6.0)
    patch, _ = cut(stack(array), placement(spacing=spacing, angle=angle, centre=centre), 64)
    rows, columns = np.mgrid[:64, :64]
    weight = patch + 1
    found = np.array([(weight * rows).sum(), (weight * columns).sum()]) / weight.sum()
    away = np.array([-18.0 - centre[0], 22.0 - centre[1]])
    row = -away[1] * math.sin(angle) + away[0] * math.cos(angle)
    column = away[1] * math.cos(angle) + away[0] * math.sin(angle)
    np.testing.assert_allclose(found, [31.5 + row / spacing, 31.5 + column / spacing], atol=0.1)


def test_image_and_target_are_cut_alike() -> None:
    array = rough()
    one = stack(array)
    two = Stack(one.image, -one.image, one.spacing, 0, "", one.slices)
    patch, target = cut(two, placement(angle=0.2, spacing=2.7, centre=(3.0, 1.0)), 24)
    inside = np.abs(patch) < 0.999
    np.testing.assert_allclose(patch[4:-4, 4:-4], -target[4:-4, 4:-4], atol=1e-3)
    assert inside.any()


def test_shrinking_is_low_passed() -> None:
    array = np.where(np.indices((10, 64, 64)).sum(0) % 2, 1.0, -1.0)
    patch, _ = cut(stack(array), placement(spacing=4.4), 16)
    assert np.abs(patch).max() < 0.35


def test_mirror_exchanges_columns() -> None:
    array = rough()
    patch, _ = cut(stack(array), placement(), 32)
    mirrored, _ = cut(stack(array), placement(mirrored=True), 32)
    np.testing.assert_allclose(mirrored, patch[:, ::-1], atol=1e-4)


@pytest.mark.parametrize("shape", ["disc", "box"])
def test_small_field_of_view_keeps_what_it_says(shape: Any) -> None:
    keep = Keep(shape, (16.0, 16.0), (8.0, 8.0))
    image = blank(np.zeros((32, 32), np.float32), placement(keep=keep))
    assert image[16, 16] == 0
    assert image[16, 2] == -1
    assert (image[9, 9] == 0) == (shape == "box")
    kept = (image == 0).sum()
    assert kept == pytest.approx(math.pi * 64 if shape == "disc" else 256, rel=0.05)


def test_slices_without_body_and_across_thick_slices_are_not_drawn() -> None:
    sampling = SamplingConfig(planes=PLANES, min_body=0.2)
    array = np.full((12, 20, 20), -1.0)
    array[4:8, 5:15, 5:15] = 0.0
    assert list(drawable(array, (2.0, 2.0, 2.0), sampling)["axial"]) == [4, 5, 6, 7]
    # Axis of the thick slices: K, then J of a coronal stack; then thin but more than twice the pixels.
    solid = np.zeros((12, 20, 20))
    assert list(drawable(solid, (1.4, 1.4, 8.0), sampling)) == ["axial"]
    assert list(drawable(solid, (1.4, 8.0, 1.4), sampling)) == ["coronal"]
    assert list(drawable(solid, (1.0, 1.0, 2.5), sampling)) == ["axial"]
    assert set(drawable(solid, (1.25, 1.25, 2.5), sampling)) == set(PLANES)
    assert drawable(solid, (8.0, 1.4, 1.4), SamplingConfig(planes={"axial": 1.0})) == {}


def test_drawn_placements_stay_in_their_ranges() -> None:
    sampling = SamplingConfig(patch=32, planes=PLANES, spacing_range_mm=(1.5, 2.5), rotation_deg=10)
    rng = np.random.default_rng(1)
    drawn = [draw_placement(stack(rough((20, 40, 40))), sampling, rng) for _ in range(300)]
    assert {p.plane for p in drawn} == set(PLANES)
    assert min(p.spacing for p in drawn) >= 1.5
    assert max(p.spacing for p in drawn) <= 2.5
    assert max(abs(p.angle) for p in drawn) <= math.radians(10)
    share = sum(p.keep is not None for p in drawn) / len(drawn)
    assert share == pytest.approx(0.15, abs=0.08)


def test_library_is_oriented_normalised_and_clean(toy: dict[str, Any]) -> None:
    data = DataConfig.model_validate(toy["data"])
    ct, mr = load_library(data, data.a), load_library(data, data.b)
    for one in (*ct.stacks, *mr.stacks):
        assert one.image.dtype == np.float16
        assert np.abs(one.image).max() <= 1
        assert one.spacing == (4.0, 4.0, 4.0)
        assert 0.005 < (one.image.astype(np.float32) - one.target).std() < 0.1
    for one in ct.stacks:
        lung, heart = float(one.target[20, 20, 28]), float(one.target[20, 23, 21])
        assert lung == pytest.approx(2 * (-850 + 1024) / 2524 - 1, abs=1e-3)
        assert heart == pytest.approx(2 * (300 + 1024) / 2524 - 1, abs=1e-3)


def test_a_mirror_exchanges_left_and_right_alone() -> None:
    sampling = SamplingConfig(patch=16, planes=PLANES, flip=1.0)
    rng = np.random.default_rng(0)
    drawn = [draw_placement(stack(rough((32, 32, 32))), sampling, rng) for _ in range(60)]
    assert {p.plane for p in drawn if p.mirrored} == {"axial", "coronal"}
    assert not any(p.mirrored for p in drawn if p.plane == "sagittal")


def labelled_toy(toy: dict[str, Any], tmp_path: Path, labels: np.ndarray, **sampling: Any) -> DataConfig:
    """The toy configuration with one volume of (20, 40, 40) voxels of 2 mm and its label map."""
    rng = np.random.default_rng(3)
    matrix = np.diag([2.0, 2.0, 2.0, 1.0])
    image = Volume(rng.uniform(0, 1000, labels.shape).astype(np.float32), matrix)
    (tmp_path / "sub-0001").mkdir(exist_ok=True)
    write_volume(tmp_path / "sub-0001" / "mr.nii.gz", image)
    write_volume(tmp_path / "sub-0001" / "labels.nii.gz", Volume(labels, matrix))
    toy["data"]["roots"]["cohort"] = str(tmp_path)
    for letter in "ab":
        source = toy["data"][letter]["sources"][0]
        source |= {"glob": "sub-*/mr.nii.gz", "reference": None, "subjects": "all", "labels": "labels.nii.gz"}
    toy["data"]["sampling"] |= {"patch": 16, "spacing_range_mm": [2, 2], "min_body": 0, **sampling}
    return DataConfig.model_validate(toy["data"])


def test_slices_without_the_wanted_labels_are_not_drawn(toy: dict[str, Any], tmp_path: Path) -> None:
    labels = np.zeros((20, 40, 40), np.uint8)
    labels[4:12, 10:20, 25:35] = 1
    labels[6:9, 12:15, 28:30] = 2
    config = labelled_toy(toy, tmp_path, labels, slices_with=[2], planes=PLANES)
    (one,) = load_library(config, config.b).stacks
    assert {plane: list(found) for plane, found in one.slices.items()} == {
        "axial": [6, 7, 8],
        "coronal": [12, 13, 14],
        "sagittal": [28, 29],
    }
    config = labelled_toy(toy, tmp_path, labels, slices_with=[9], planes=PLANES)
    with pytest.raises(ConfigError, match="No MR volume has a slice to draw"):
        load_library(config, config.b)


@pytest.mark.parametrize("dims", [2, 3])
def test_patches_lie_around_the_labels(toy: dict[str, Any], tmp_path: Path, dims: int) -> None:
    labels = np.zeros((20, 40, 40), np.uint8)
    labels[4:20, 2:18, 22:38] = 3
    config = labelled_toy(
        toy, tmp_path, labels, centre="labels", slices_with=[3], slack=0, rotation_deg=0, field_of_view=0,
        spatial_dims=dims, planes={"axial": 1},
    )  # fmt: skip
    (one,) = load_library(config, config.b).stacks
    rng = np.random.default_rng(0)
    for _ in range(5):
        assert (cut_values(one, draw_place(one, config.sampling, rng), config.sampling) == 3).all()
    moved = config.sampling.model_copy(update={"slack": 0.25})
    shares = [(cut_values(one, draw_place(one, moved, rng), moved) == 3).mean() for _ in range(20)]
    assert 0.3 < min(shares) < 0.9


def test_where_patches_lie_needs_label_maps(toy: dict[str, Any], tmp_path: Path) -> None:
    labels = np.ones((20, 40, 40), np.uint8)
    config = labelled_toy(toy, tmp_path, labels, centre="labels")
    assert config.wants_labels
    toy["data"]["b"]["sources"][0]["labels"] = None
    with pytest.raises(ValueError, match="'centre' goes by label maps; source 'toys' has no 'labels'"):
        DataConfig.model_validate(toy["data"])
    toy["data"]["sampling"]["slices_with"] = [0]
    with pytest.raises(ValueError, match="slices_with must name labels from 1 to 255"):
        DataConfig.model_validate(toy["data"])
