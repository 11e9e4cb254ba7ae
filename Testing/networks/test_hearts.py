"""Networks for labels: shapes, ranges, determinism, size, and that the style and the labels show."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from SynthLogic.errors import BundleError
from SynthLogic.networks import build_network

TINY_VAE = {"size": 32, "features": [8, 8, 8], "latent": 5}
TINY_SPADE = {"size": 32, "features": [8, 8, 8], "hidden": [4, 4, 4], "style": 6, "styles": 3}


def network(name: str, **arguments: Any) -> Any:
    torch.manual_seed(0)
    return build_network(name, arguments).eval()


def one_hot(count: int = 3, size: int = 32) -> Tensor:
    """A ring round a cavity, and a right ventricle beside it, further right from slice to slice."""
    j, i = torch.meshgrid(torch.linspace(-1, 1, size), torch.linspace(-1, 1, size), indexing="ij")
    slices = []
    for n in range(count):
        labels = torch.zeros(size, size, dtype=torch.long)
        labels[torch.hypot(i - 0.4 - 0.02 * n, j) < 0.4] = 3
        labels[torch.hypot(i, j) < 0.5] = 2
        labels[torch.hypot(i, j) < 0.3] = 1
        slices.append(labels)
    return functional.one_hot(torch.stack(slices), 4).permute(0, 3, 1, 2).float().contiguous()


def parameters(net: Any) -> int:
    return sum(p.numel() for p in net.parameters())


# -- label VAE ----------------------------------------------------------------------------------------------


@torch.no_grad()
def test_vae_maps_slices_to_vectors_and_back() -> None:
    vae = network("label-vae", **TINY_VAE)
    mean, log_variance = vae.encode(one_hot())
    assert mean.shape == log_variance.shape == (3, 5)
    assert vae.decode(mean).shape == (3, 4, 32, 32)
    logits, again, _ = vae(one_hot())
    assert torch.equal(again, mean)
    assert torch.equal(logits, vae.decode(mean))  # the mean, not a draw


@torch.no_grad()
def test_vae_draws_in_training_only() -> None:
    vae = network("label-vae", **TINY_VAE)
    assert torch.equal(vae(one_hot())[0], vae(one_hot())[0])
    vae.train()
    assert not torch.equal(vae(one_hot())[0], vae(one_hot())[0])


def test_vae_spread_stays_finite_whatever_the_weights() -> None:
    vae = network("label-vae", **TINY_VAE).train()
    torch.nn.init.normal_(vae.to_latent.weight, 0, 1e4)
    logits, _, log_variance = vae(one_hot())
    assert log_variance.abs().max() <= 12
    assert torch.isfinite(logits).all()


def test_vae_learns_a_few_slices() -> None:
    vae, slices = network("label-vae", **TINY_VAE).train(), one_hot()
    torch.set_num_threads(1)  # threads for so little work wait for each other
    optimiser = torch.optim.Adam(vae.parameters(), 5e-3)
    for _ in range(120):
        logits, mean, log_variance = vae(slices)
        divergence = (mean**2 + log_variance.exp() - 1 - log_variance).mean()
        loss = functional.cross_entropy(logits, slices.argmax(1)) + 1e-4 * divergence
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    found = vae.eval()(slices)[0].argmax(1)
    assert (found == slices.argmax(1)).float().mean() > 0.97


# -- SPADE --------------------------------------------------------------------------------------------------


def spade() -> Any:
    """One whose parts are all alive, the learned map as well."""
    net = network("spade-generator", **TINY_SPADE)
    torch.nn.init.normal_(net.place)
    return net


@torch.no_grad()
def test_painting_has_the_labels_size_and_lies_in_range() -> None:
    net = spade()
    image = net(one_hot(), 3 * torch.randn(3, 6))
    assert image.shape == (3, 1, 32, 32)
    assert image.abs().max() <= 1
    assert image.std() > 0
    assert net(one_hot(2, 48), torch.zeros(2, 6)).shape == (2, 1, 48, 48)


@torch.no_grad()
def test_painting_is_a_function_of_labels_and_style() -> None:
    net, labels, style = spade(), one_hot(), torch.randn(3, 6)
    image = net(labels, style)
    assert torch.equal(image, net(labels, style))
    assert not torch.allclose(image, net(labels, style + 1), atol=1e-3)
    assert not torch.allclose(image, net(labels.roll(8, 3), style), atol=1e-3)


@torch.no_grad()
def test_the_mean_brightness_of_a_tissue_follows_the_style() -> None:
    # MONAI's own SPADE normalises the modulation over space, so that this would not hold.
    net, labels = spade(), one_hot(1)
    styles = torch.randn(8, 6) * 3
    images = torch.cat([net(labels, style[None]) for style in styles])
    means = images[:, 0, labels[0, 1] == 1].mean(1)
    assert means.std() > 0.02


@torch.no_grad()
def test_style_encoder_sees_contrast() -> None:
    net, labels = spade(), one_hot()
    image = (labels * torch.tensor([-0.8, 0.6, -0.2, 0.5])[:, None, None]).sum(1, keepdim=True)
    mean, log_variance = net.encode_style(image, labels)
    assert mean.shape == log_variance.shape == (3, 6)
    assert not torch.allclose(mean, net.encode_style(0.7 * image, labels)[0], atol=1e-3)
    assert torch.isfinite(net.encode_style(image, torch.zeros_like(labels))[0]).all()


def test_every_weight_is_trained() -> None:
    net, labels = spade().train(), one_hot()
    mean, log_variance = net.encode_style(torch.randn(3, 1, 32, 32), labels)
    (net(labels, mean).square().sum() + log_variance.sum()).backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


@torch.no_grad()
def test_low_precision_stays_near_and_in_range() -> None:
    exact, labels, style = spade(), one_hot(), torch.randn(3, 6)
    low = spade()
    low.lower_precision(torch.bfloat16)
    a, b = exact(labels, style), low(labels, style)
    assert b.dtype == torch.float32
    assert 0 < (a - b).abs().mean() < 0.02
    assert not torch.equal(b, b.bfloat16().float())  # the last layer is exact


def test_named_styles_travel_with_the_weights() -> None:
    state = spade().state_dict()
    assert state["style_means"].shape == (3, 6)
    assert state["style_spreads"].shape == (3, 6, 6)
    # The noise is the same on every machine.
    assert float(state["noise"][0, 0, 0, 0]) == pytest.approx(float(spade().noise[0, 0, 0, 0]))
    assert abs(float(state["noise"].mean())) < 0.1


# -- both ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["label-vae", "spade-generator"])
def test_what_ships_fits_into_12_mb(name: str) -> None:
    assert parameters(network(name)) <= 3_000_000


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("label-vae", {"size": 100}),
        ("label-vae", {"size": 16}),
        ("label-vae", {"features": []}),
        ("label-vae", {"labels": 1}),
        ("label-vae", {"latent": 0}),
        ("spade-generator", {"size": 100}),
        ("spade-generator", {"features": [8, 8]}),
        ("spade-generator", {"features": [8], "hidden": [8]}),
        ("spade-generator", {"style": 0}),
        ("spade-generator", {"styles": 0}),
        ("spade-generator", {"blocks": 3}),
    ],
)
def test_wrong_arguments_are_refused(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(BundleError):
        build_network(name, arguments)
