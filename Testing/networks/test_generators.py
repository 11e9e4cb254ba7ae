"""Every generator of the register: shapes, range, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from SynthLogic.errors import BundleError
from SynthLogic.networks import REGISTER, build_network

SMALL: dict[str, dict[str, Any]] = {
    "resnet-generator": {"features": 4, "blocks": 1},
    "segresnet-generator": {"features": 8, "blocks_down": [1, 1, 2], "blocks_up": [1, 1]},
}


# These do not map an image to an image; see test_hearts.py.
FOR_LABELS = {"label-vae", "spade-generator"}


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
    image = torch.zeros(1, 1, 256, 256)
    image[..., 120:128, 120:128] = 1
    moved = image.roll(step, dims=-1)
    with torch.no_grad():
        expected = network(image).roll(step, dims=-1)
        found = network(moved)
    middle = (..., slice(112, 144), slice(112, 144))
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
    ],
)
def test_wrong_arguments_are_refused(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(BundleError):
        build_network(name, arguments)


def test_sizes_are_the_published_ones() -> None:
    count = sum(p.numel() for p in build_network("resnet-generator", {}).parameters())
    assert count == pytest.approx(11.36e6, rel=1e-2)
