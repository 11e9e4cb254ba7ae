import math
from typing import Any

import numpy as np
import pytest

from SynthLogic.data import DataConfig, SamplingConfig, Stack, load_library
from SynthLogic.data.library import drawable
from SynthLogic.data.patches import Keep, Placement, blank, draw_placement
from SynthLogic.data.patches import cut as cut_channels

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
