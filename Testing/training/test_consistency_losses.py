"""Gradient consistency and mutual information against what others wrote, in 2D and 3D; gradients."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import normalized_mutual_information as skimage_nmi
from torch.autograd import gradcheck

from SynthLogic.losses import (
    alignment_loss,
    edge_consistency_loss,
    gradient_consistency_loss,
    normalised_mutual_information,
)

SHAPES = [(2, 1, 9, 7), (2, 1, 6, 5, 7)]


def images(shape, seed=0, dtype=torch.float64):
    draw = torch.Generator().manual_seed(seed)
    return tuple(2 * torch.rand(shape, generator=draw, dtype=dtype) - 1 for _ in range(2))


def transcribed(a, b):
    """Eq. 2 and 3 of the paper for one image each, in NumPy."""

    def ncc(p, q):
        p, q = p - p.mean(), q - q.mean()
        return (p * q).sum() / (np.sqrt((p**2).sum()) * np.sqrt((q**2).sum()))

    return np.mean([ncc(np.diff(a, axis=n), np.diff(b, axis=n)) for n in range(a.ndim)])


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_consistency_is_the_papers(shape):
    a, b = images(shape)
    expected = np.mean([transcribed(p[0], q[0]) for p, q in zip(a.numpy(), b.numpy(), strict=True)])
    assert gradient_consistency_loss(a, b).item() == pytest.approx(1 - expected, abs=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_what_contrast_does_to_both_variants(shape):
    a, _ = images(shape)
    for loss in (gradient_consistency_loss, edge_consistency_loss):
        assert loss(a, a).item() == pytest.approx(0, abs=1e-6)
        assert loss(a, 0.3 * a + 0.1).item() == pytest.approx(0, abs=1e-4)
    assert gradient_consistency_loss(a, -a).item() == pytest.approx(2, abs=1e-6)
    assert edge_consistency_loss(a, -a).item() == pytest.approx(0, abs=1e-6)
    for loss in (gradient_consistency_loss, edge_consistency_loss):
        assert loss(a, torch.zeros_like(a)).item() == pytest.approx(1)
        assert loss(a.bfloat16(), a.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("shape", [(1, 1, 4, 5), (1, 2, 3, 3, 4)])
@pytest.mark.parametrize("loss", [gradient_consistency_loss, edge_consistency_loss])
def test_gradients_of_consistency(loss, shape):
    a, b = images(shape)
    assert gradcheck(lambda x: loss(a, x), (b.requires_grad_(),))
    flat = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    loss(a, flat).backward()
    assert torch.isfinite(flat.grad).all()


@pytest.mark.parametrize("shape", [(64, 64), (16, 16, 16)])
@pytest.mark.parametrize("bins", [8, 32])
def test_mutual_information_is_that_of_skimage_less_one(shape, bins):
    rng = np.random.default_rng(3)
    a = rng.integers(0, bins, shape)
    b = (a // 2 + rng.integers(0, 3, shape)) % bins
    # Both ends are there, so that skimage's bins are these.
    a.flat[0], a.flat[1], b.flat[0], b.flat[1] = 0, bins - 1, 0, bins - 1
    one, other = (torch.from_numpy(x / (bins - 1) * 2 - 1)[None, None] for x in (a, b))
    found = normalised_mutual_information(one, other, bins, window=0.05)
    assert found.item() == pytest.approx(skimage_nmi(a, b, bins=bins) - 1, abs=1e-9)
    for same in (one, -one):
        assert normalised_mutual_information(one, same, bins, window=0.05).item() == pytest.approx(
            1, abs=1e-9
        )


@pytest.mark.parametrize("offset", [0.25, 0.5, 0.75])
def test_it_does_not_matter_where_in_a_bin_values_lie(offset):
    image = torch.zeros(1, 1, 32, 32, dtype=torch.float64)
    image[..., 8:20, 6:24] = 20 / 63
    image[..., 12:16, 10:14] = -20 / 63
    moved = image + offset * 2 / 63
    found = normalised_mutual_information(image, moved)
    assert found.item() == pytest.approx(normalised_mutual_information(image, image).item(), rel=1e-3)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(SHAPES), st.integers(2, 40), st.floats(0.0, 3.0))
def test_mutual_information_lies_from_0_to_1_and_is_symmetric(seed, shape, bins, factor):
    a, b = images(shape, seed)
    b = factor * (a + 0.3 * b)
    found = normalised_mutual_information(a, b, bins)
    assert found.shape == (2,)
    assert ((found >= 0) & (found <= 1)).all()
    torch.testing.assert_close(found, normalised_mutual_information(b, a, bins))


@pytest.mark.parametrize("shape", [(1, 1, 4, 5), (1, 1, 3, 3, 4)])
def test_gradients_of_mutual_information(shape):
    a, b = images(shape, 5)
    assert gradcheck(lambda x: normalised_mutual_information(a, 0.9 * x, 6).sum(), (b.requires_grad_(),))
    flat = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    normalised_mutual_information(flat, flat).sum().backward()
    assert torch.isfinite(flat.grad).all()


def test_alignment_prefers_what_lies_in_place():
    image = torch.zeros(1, 1, 32, 32)
    image[..., 8:20, 6:24] = 0.8
    image[..., 12:16, 10:14] = -0.7
    other = -0.5 * image
    aligned = alignment_loss(image, other, other, image)
    shifted = other.roll(3, dims=-1)
    noise = torch.rand(image.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert 0 < aligned < alignment_loss(image, shifted, other, image)
    assert alignment_loss(image, shifted, other, image) < alignment_loss(image, shifted, shifted, image)
    assert alignment_loss(image, shifted, shifted, image) < alignment_loss(image, noise, noise, image) < 2


def test_bad_arguments_are_named():
    a = torch.zeros(1, 1, 4, 4)
    with pytest.raises(ValueError, match="shapes"):
        normalised_mutual_information(a, a[..., 1:])
    with pytest.raises(ValueError, match="at least 2 bins"):
        normalised_mutual_information(a, a, 1)
    with pytest.raises(ValueError, match="window be above 0"):
        normalised_mutual_information(a, a, window=0)
    with pytest.raises(ValueError, match="ascend"):
        normalised_mutual_information(a, a, value_range=(1, 1))


def test_mutual_information_is_exact_in_mixed_precision():
    a, b = torch.rand(2, 1, 1, 32, 32) * 2 - 1
    exact = normalised_mutual_information(a, b)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = normalised_mutual_information(a, b)
    assert mixed.dtype == torch.float32
    assert torch.allclose(mixed, exact, atol=1e-6)
