"""Masks beside the image, neighbouring slices, subvolumes: from the files to an exported bundle that runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from SynthLogic.bundles import Bundle
from SynthLogic.data import Batches, Stack, load_library
from SynthLogic.data.patches import Placement, cut
from SynthLogic.data.subvolumes import CubePlacement, cut_cube, cut_cube_labels
from SynthLogic.errors import ConfigError, InputError
from SynthLogic.inference import Engine
from SynthLogic.methods import method_named, parse_config, train
from SynthLogic.volume import Volume, read_volume, write_volume

from .conftest import Bare, label_tissues

Plain = dict[str, Any]
MASKS = {"lung": [2], "heart": [3, 4]}


@pytest.fixture
def masked(toy: Plain, cohort: Path) -> Plain:
    """The toy configuration with masks: 1 body, 2 lung, 3 heart, read off the clean CT."""
    label_tissues(cohort)
    toy["method"], toy["data"]["masks"] = "cyclegan-mask", MASKS
    for domain in ("a", "b"):
        toy["data"][domain]["sources"][0]["labels"] = "labels.nii.gz"
    return toy


def batch_of(plain: Plain, size: int = 2) -> dict[str, torch.Tensor]:
    data = parse_config(plain).data
    return Batches(data, load_library(data, data.a), load_library(data, data.b), size=size, seed=1).batch(0)


def changed(plain: Plain, method: str, **sampling: Any) -> Plain:
    plain["method"] = method
    plain["data"]["sampling"] |= sampling
    return plain


def test_masks_lie_where_their_structures_are(masked: Plain) -> None:
    batch = batch_of(masked, 6)
    image, masks = batch["a_target"][:, :1], batch["a_target"][:, 1:]
    assert masks.shape == (6, 2, 32, 32)
    assert masks.unique().tolist() == pytest.approx([-0.9, 0.9])
    heart, lung = (image[:, 0][masks[:, n] > 0] for n in (1, 0))
    # Of the window -1024 to 1500: 300 HU in the heart, -850 in the lung.
    assert heart.median() == pytest.approx((300 + 1024) / 1262 - 1, abs=0.02)
    assert lung.median() == pytest.approx((-850 + 1024) / 1262 - 1, abs=0.02)
    assert torch.equal(batch["a_input"][:, 1:], masks)


@pytest.mark.parametrize("sampling", [{}, {"neighbours": 1}, {"spatial_dims": 3, "patch": 16}])
def test_pictures_show_the_masks_beside_the_images(masked: Plain, sampling: Plain) -> None:
    plain = changed(masked, "cyclegan-mask", **sampling)
    plain["discriminator"]["layers"] = 1
    method, batch = Bare(parse_config(plain)), batch_of(plain, 3)
    columns = method.show(batch)["a_to_b"]
    assert method.headings("a_to_b", len(columns)) == [
        "input", "output", "back again", "mask of input", "mask of output", "mask of back again",
    ]  # fmt: skip
    assert len({column.shape for column in columns}) == 1
    slices = method.config.data.sampling.slices
    masks = batch["a_input"][:, slices:].amax(1, keepdim=True)
    wanted = masks if masks.ndim == 4 else masks[:, :, 8]
    assert torch.equal(columns[3], wanted)
    assert not torch.equal(columns[4], wanted)


def test_networks_of_masks_read_and_give_them(masked: Plain) -> None:
    method = Bare(parse_config(masked))
    batch = batch_of(masked)
    assert method.generators["a_to_b"](batch["a_input"]).shape == (2, 3, 32, 32)
    assert next(method.discriminators["a"].parameters()).shape[1] == 3
    with torch.no_grad():
        fakes = method.translate(batch, "cycle")
        back = method.generators["b_to_a"](fakes["b"])
        expected = (back - batch["a_target"]).abs().mean()
        expected += (method.generators["a_to_b"](fakes["a"]) - batch["b_target"]).abs().mean()
    losses = method.step(batch)
    assert losses["cycle"].item() == pytest.approx(expected.item(), rel=1e-4)


def test_gradient_consistency_looks_at_images_alone(masked: Plain) -> None:
    masked["losses"] = {"lambda_gc": 1.0}
    method, batch = Bare(parse_config(masked)), batch_of(masked)
    with torch.no_grad():
        fakes = method.translate(batch, "cycle")
        before = method.gradient_consistency(batch, fakes)
        for fake in fakes.values():
            fake[:, 1:] = torch.rand_like(fake[:, 1:])
        assert torch.equal(method.gradient_consistency(batch, fakes), before)


def test_mask_methods_want_masks(toy: Plain, masked: Plain) -> None:
    masked["data"]["masks"] = {}
    with pytest.raises(ConfigError, match=r"data\.masks"):
        method_named("cyclegan-mask")(parse_config(masked))


def test_masks_want_label_maps_that_fit(masked: Plain, cohort: Path) -> None:
    for values in ([0], [300], []):
        with pytest.raises(ConfigError, match="mask 'heart' must name labels"):
            parse_config({**masked, "data": {**masked["data"], "masks": {"heart": values}}})
    folder = cohort / "sub-0002"
    labels = read_volume(folder / "labels.nii.gz").volume
    write_volume(folder / "labels.nii.gz", Volume(labels.array[1:].copy(), labels.ijk_to_ras))
    with pytest.raises(ConfigError, match=r"labels\.nii\.gz is not on the grid of its image"):
        batch_of(masked)
    write_volume(folder / "labels.nii.gz", Volume(labels.array + np.float32(0.5), labels.ijk_to_ras))
    with pytest.raises(ConfigError, match="labels from 0 to 255"):
        batch_of(masked)
    masked["data"]["a"]["sources"][0]["labels"] = None
    with pytest.raises(ConfigError, match="'masks' goes by label maps; source 'toys'"):
        parse_config(masked)


def test_a_bundle_of_masks_translates_labels_along(masked: Plain, cohort: Path, tmp_path: Path) -> None:
    result = train(parse_config(masked), tmp_path / "run")
    bundle = Bundle.open(result.bundles[0])
    assert bundle.card.masks == {"lung": (2,), "heart": (3, 4)}
    engine = Engine(bundle, "cpu", "fp32")
    scan = read_volume(cohort / "sub-0001" / "ct.nii.gz").volume
    labels = read_volume(cohort / "sub-0001" / "labels.nii.gz").volume.array
    translated = engine.run(scan, labels=labels)
    assert translated.volume.grid.is_close(scan.grid)
    assert translated.labels is not None
    assert translated.labels.grid.is_close(scan.grid)
    assert translated.labels.array.dtype == np.uint8
    assert set(np.unique(translated.labels.array)) <= {0, 2, 3}
    # The labels go through the network: other ones give another image.
    other = engine.run(scan, labels=np.roll(labels, 5, 2))
    assert not np.array_equal(other.volume.array, translated.volume.array)
    with pytest.raises(InputError, match="translates lung, heart along with the image"):
        engine.run(scan)
    with pytest.raises(InputError, match="none of the labels"):
        engine.run(scan, labels=np.full_like(labels, 9))
    with pytest.raises(InputError, match="voxels of the scan"):
        engine.run(scan, labels=labels[1:])


def test_neighbours_are_the_slices_beside(toy: Plain) -> None:
    rng = np.random.default_rng(0)
    array = rng.uniform(-1, 1, (9, 32, 32)).astype(np.float16)
    stack = Stack(array, array, (2.0, 2.0, 2.0), 0, "", {})
    for index, expected in ((4, [2, 3, 4, 5, 6]), (0, [0, 0, 0, 1, 2]), (8, [6, 7, 8, 8, 8])):
        placement = Placement("axial", index, 2.0, 0.0, (0.0, 0.0), False, None)
        patch, target = cut(stack, placement, 32, neighbours=2)
        np.testing.assert_allclose(patch, array[expected], atol=2e-3)
        np.testing.assert_array_equal(patch, target)


@pytest.mark.parametrize("method", ["cyclegan", "cyclegan-gc", "dicyclegan"])
def test_slices_with_neighbours_train_and_run(toy: Plain, method: str, tmp_path: Path, cohort: Path) -> None:
    plain = changed(toy, method, neighbours=1)
    if method == "dicyclegan":
        plain["network"]["name"] = "dicycle-generator"
    plain["losses"] = {}
    result = train(parse_config(plain), tmp_path / "run")
    bundle = Bundle.open(result.bundles[0])
    assert bundle.card.spatial.neighbours == 1
    assert bundle.card.network.arguments["in_channels"] == 3
    scan = read_volume(cohort / "sub-0001" / "ct.nii.gz").volume
    engine = Engine(bundle, "cpu", "fp32")
    whole = engine.run(scan).volume.array
    # Slices 10 and 11 of the whole come out of 9 to 12 alone.
    part = Volume(scan.array[9:13].copy(), shifted(scan))
    np.testing.assert_allclose(engine.run(part).volume.array[1:3], whole[10:12], atol=1)
    network = bundle.load_network().eval()
    with torch.no_grad():
        window = torch.from_numpy(bundle.card.image_input.intensity.forward(scan)[0][9:12])[None]
        expected = network(window)[0, 1].numpy()
    inverse = bundle.card.image_output.intensity.inverse(expected, None)
    np.testing.assert_allclose(whole[10], inverse, atol=1)


def shifted(scan: Volume) -> np.ndarray:
    moved = scan.ijk_to_ras.copy()
    moved[:3, 3] += 9 * moved[:3, 2]
    return moved


def test_a_cube_is_cut_where_it_lies() -> None:
    k, j, i = np.mgrid[0:20, 0:24, 0:28].astype(np.float32)
    array = ((k * 3 + j * 5 + i * 7) / 400 - 0.5).astype(np.float32)
    stack = Stack(array, array, (1.0, 2.0, 3.0), 0, "", {}, labels=(k > 9).astype(np.uint8))
    cube, target = cut_cube(stack, CubePlacement(1.0, 0.0, (9.5, 12.0, 13.0), False), 8)
    assert cube.shape == (1, 8, 8, 8)
    steps = np.arange(8) - 3.5
    k, j, i = np.meshgrid(9.5 + steps / 3, 12 + steps / 2, 13 + steps, indexing="ij")
    np.testing.assert_allclose(cube[0], (k * 3 + j * 5 + i * 7) / 400 - 0.5, atol=1e-4)
    np.testing.assert_array_equal(cube, target)
    mirrored, _ = cut_cube(stack, CubePlacement(1.0, 0.0, (9.5, 12.0, 13.0), True), 8)
    np.testing.assert_allclose(mirrored, cube[..., ::-1], atol=1e-5)
    # A quarter turn about K takes I to J.
    turned, _ = cut_cube(stack, CubePlacement(1.0, np.pi / 2, (9.5, 12.0, 13.0), False), 8)
    k, j, i = np.meshgrid(9.5 + steps / 3, steps, steps, indexing="ij")
    np.testing.assert_allclose(turned[0], (k * 3 + (12 + i / 2) * 5 + (13 - j) * 7) / 400 - 0.5, atol=1e-4)
    labels = cut_cube_labels(stack, CubePlacement(1.0, 0.0, (9.5, 12.0, 13.0), False), 8)
    assert labels is not None
    assert np.array_equal(labels[:, 0, 0], [0, 0, 0, 0, 1, 1, 1, 1])
    far, _ = cut_cube(stack, CubePlacement(1.0, 0.0, (900.0, 12.0, 13.0), False), 8)
    assert (far == -1).all()


def test_what_shrinks_in_a_cube_is_low_passed() -> None:
    array = np.where(np.indices((40, 40, 40)).sum(0) % 2, 1.0, -1.0).astype(np.float16)
    stack = Stack(array, array, (2.0, 2.0, 2.0), 0, "", {})
    cube, _ = cut_cube(stack, CubePlacement(4.4, 0.0, (19.5, 19.5, 19.5), False), 8)
    assert np.abs(cube).max() < 0.4


def volumetric(plain: Plain, method: str = "cyclegan") -> Plain:
    plain = changed(plain, method, spatial_dims=3, patch=16)
    plain["discriminator"]["layers"] = 1
    return plain


def test_subvolumes_train_and_run(toy: Plain, tmp_path: Path, cohort: Path) -> None:
    batch = batch_of(volumetric(toy))
    assert batch["a_input"].shape == (2, 1, 16, 16, 16)
    result = train(parse_config(volumetric(toy)), tmp_path / "run")
    card = Bundle.open(result.bundles[0]).card
    assert (card.spatial.spatial_dims, card.spatial.tile) == (3, (16, 16, 16))
    scan = read_volume(cohort / "sub-0001" / "ct.nii.gz").volume
    translated = Engine(Bundle.open(result.bundles[0]), "cpu", "fp32").run(scan)
    assert translated.volume.grid.is_close(scan.grid)
    assert translated.volume.array.std() > 0


def test_subvolumes_with_masks_and_offsets(masked: Plain, tmp_path: Path, cohort: Path) -> None:
    plain = volumetric(masked, "dicyclegan")
    plain["network"]["name"], plain["losses"] = "dicycle-generator", {"lambda_gc": 0.3}
    result = train(parse_config(plain), tmp_path / "run")
    scan, labels = (read_volume(cohort / "sub-0001" / f"{n}.nii.gz").volume for n in ("ct", "labels"))
    translated = Engine(Bundle.open(result.bundles[1]), "cpu", "fp32").run(scan, labels=labels.array)
    assert translated.labels is not None


def test_neighbours_and_subvolumes_exclude_each_other(toy: Plain) -> None:
    with pytest.raises(ConfigError, match="neighbours belong to slices"):
        parse_config(changed(toy, "cyclegan", spatial_dims=3, neighbours=1))


@pytest.mark.parametrize("key", ["in_channels", "out_channels", "spatial_dims"])
def test_what_follows_from_the_data_is_not_configured_twice(toy: Plain, key: str) -> None:
    toy["network"]["arguments"][key] = 2
    with pytest.raises(ConfigError, match=f"network.arguments.{key} follows from 'data'"):
        method_named("cyclegan")(parse_config(toy))


def test_shear_moves_rows_against_each_other() -> None:
    array = np.full((1, 33, 33), -1, np.float16)
    array[:, :, 16] = 1
    stack = Stack(array, array, (1.0, 1.0, 1.0), 0, "", {})
    patch, _ = cut(stack, Placement("axial", 0, 1.0, 0.0, (0.0, 0.0), False, None, shear=0.5), 33)
    columns = ((patch[0] + 1) * np.arange(33)).sum(1) / (patch[0] + 1).sum(1)
    np.testing.assert_allclose(columns, 16 - 0.5 * (np.arange(33) - 16), atol=0.05)


@pytest.mark.parametrize("direction", ["a_to_b", "b_to_a"])
@pytest.mark.parametrize("contest", ["least-squares", "cross-entropy"])
def test_pix2pix(pairs: Callable[[str], Any], direction: str, contest: str, tmp_path: Path) -> None:
    plain = pairs(direction).model_dump(mode="json")
    plain |= {"method": "pix2pix", "losses": {"contest": contest, "lambda_image": 50.0}}
    config = parse_config(plain)
    result = train(config, tmp_path / "run")
    assert len(result.bundles) == 1
    method = method_named("pix2pix")(config)
    assert next(method.discriminator.parameters()).shape[1] == 2
    scores = torch.tensor([[0.3, -2.0]])
    if contest == "cross-entropy":
        published = torch.nn.functional.binary_cross_entropy_with_logits(scores, torch.ones_like(scores))
        assert method.contest(scores, None).item() == pytest.approx(published.item(), rel=1e-6)
    else:
        assert method.contest(scores, None).item() == pytest.approx(((scores - 1) ** 2).mean().item())
