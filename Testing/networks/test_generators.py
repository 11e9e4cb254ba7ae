"""Every generator of the register: shapes, range, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from SynthLogic.errors import BundleError
from SynthLogic.networks import REGISTER, build_network
from SynthLogic.networks.offset import displaced

SMALL: dict[str, dict[str, Any]] = {
    "dicycle-generator": {"features": 4, "blocks": 2, "offset_blocks": 2},
    "resnet-generator": {"features": 4, "blocks": 1},
    "segresnet-generator": {"features": 8, "blocks_down": [1, 1, 2], "blocks_up": [1, 1]},
    "unet-generator": {"features": 4},
}


# These do not map an image to an image; see test_hearts.py and below.
FOR_LABELS = {"label-vae", "spade-generator", "unet-segmenter"}


def test_every_generator_of_the_register_is_tested() -> None:
    assert set(SMALL) | FOR_LABELS == set(REGISTER)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_output_has_the_inputs_size_and_lies_in_range(name: str, spatial_dims: int) -> None:
    network = build_network(name, {**SMALL[name], "spatial_dims": spatial_dims}).eval()
    side = 4 * network.divisor
    shape = (2, 1, *[side, 2 * side, side][:spatial_dims])
    with torch.no_grad():
        output = network(10 * torch.randn(shape))
    assert output.shape == shape
    assert output.abs().max() <= 1
    assert output.std() > 0


@pytest.mark.parametrize("name", SMALL)
def test_smallest_step_of_the_output_is_finer_than_bf16(name: str) -> None:
    network = build_network(name, SMALL[name]).eval()
    x = torch.randn(1, 1, 32, 32)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        output = network(x)
    assert output.dtype == torch.float32
    assert not torch.equal(output, output.bfloat16().float())


@pytest.mark.parametrize("name", SMALL)
def test_a_shift_by_the_divisor_shifts_the_output(name: str) -> None:
    torch.manual_seed(0)
    network = build_network(name, SMALL[name]).eval()
    step = network.divisor
    # So large that what the border does to a convolution is the same in both images and far away.
    image = torch.zeros(1, 1, 512, 512)
    image[..., 248:256, 248:256] = 1
    moved = image.roll(step, dims=-1)
    with torch.no_grad():
        expected = network(image).roll(step, dims=-1)
        found = network(moved)
    middle = (..., slice(240, 272), slice(240, 272))
    assert torch.allclose(found[middle], expected[middle], atol=1e-5)
    assert not torch.allclose(found[middle], network(image)[middle], atol=1e-3)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("segresnet-generator", {"features": 12}),
        ("segresnet-generator", {"blocks_down": [1, 1], "blocks_up": [1, 1]}),
        ("segresnet-generator", {"blocks": 3}),
        ("resnet-generator", {"norm": "batch"}),
        ("resnet-generator", {"upsampling": "bicubic"}),
        ("u-net", {}),
        ("unet-generator", {"features": 0}),
        ("unet-generator", {"norm": "layer"}),
        ("unet-segmenter", {"levels": 0}),
        ("dicycle-generator", {"blocks": 1, "offset_blocks": 2}),
        ("dicycle-generator", {"norm": "batch"}),
    ],
)
def test_wrong_arguments_are_refused(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(BundleError):
        build_network(name, arguments)


def test_sizes_are_the_published_ones() -> None:
    count = sum(p.numel() for p in build_network("resnet-generator", {}).parameters())
    assert count == pytest.approx(11.36e6, rel=1e-2)


@pytest.mark.parametrize("dims", [2, 3])
def test_a_segmenter_gives_a_logit_for_each_label(dims: int) -> None:
    network = build_network(
        "unet-segmenter", {"spatial_dims": dims, "in_channels": 2, "out_channels": 5, "features": 4}
    )
    side = 4 * network.divisor
    with torch.no_grad():
        assert network(torch.randn(1, 2, *[side] * dims)).shape == (1, 5, *[side] * dims)


@pytest.mark.parametrize("dims", [2, 3])
def test_a_displacement_by_whole_voxels_is_a_shift(dims: int) -> None:
    x = torch.randn(2, 3, *range(5, 5 + dims))
    offsets = torch.zeros(2, dims, *x.shape[2:])
    offsets[:, -1] = 1
    moved = displaced(x, offsets)
    assert torch.allclose(moved[..., :-1], x[..., 1:], atol=1e-5)
    assert torch.allclose(moved[..., -1], x[..., -1], atol=1e-5)
    offsets[:, -1], offsets[:, 0] = 0, -0.5
    halves = displaced(x, offsets)
    assert torch.allclose(halves[:, :, 1:], (x[:, :, 1:] + x[:, :, :-1]) / 2, atol=1e-5)


@pytest.mark.parametrize("dims", [2, 3])
def test_gradients_of_a_displacement(dims: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 2, *[5] * dims)
    # Away from whole voxels, where a linear interpolation has a kink.
    offsets = (0.2 + 0.3 * torch.rand(1, dims, *[5] * dims)).requires_grad_()
    displaced(x, offsets).square().sum().backward()
    assert offsets.grad is not None
    for index in [(0, 0, *[2] * dims), (0, dims - 1, *[1] * dims)]:
        step = torch.zeros_like(offsets)
        step[index] = 1e-2
        with torch.no_grad():
            ahead, behind = (displaced(x, offsets + s).double().square().sum() for s in (step, -step))
        assert float(offsets.grad[index]) == pytest.approx(float(ahead - behind) / 2e-2, rel=1e-2, abs=1e-3)


def test_the_two_ways_through_a_dicycle_generator() -> None:
    torch.manual_seed(0)
    network = build_network("dicycle-generator", {"features": 4, "blocks": 2, "offset_blocks": 1})
    x = torch.randn(1, 1, 32, 32)
    with torch.no_grad():
        assert torch.allclose(network(x, deformed=True), network(x), atol=1e-5)
        straight = network(x)
        network.offsets[0].predict.bias[:] = torch.tensor([0.0, 4.0])
        assert torch.equal(network(x), straight)
        # Only the first layer moves: the output is that of the moved image.
        assert torch.allclose(network(x, deformed=True), network(displaced(x, offset(4))), atol=1e-5)
    network(x).sum().backward()
    assert all(p.grad is None for p in network.offsets.parameters())
    network(x, deformed=True).square().sum().backward()
    assert all(p.grad is not None for p in network.offsets.parameters())
    assert len(network.offsets) == 4


def offset(columns: float) -> torch.Tensor:
    field = torch.zeros(1, 2, 32, 32)
    field[:, 1] = columns
    return field
