import pytest
import torch

from SynthLogic.losses import (
    TissueLoss,
    cycle_loss,
    discriminator_loss,
    generator_loss,
    identity_loss,
)

SHAPES = [(2, 1, 5, 6), (2, 1, 3, 4, 5)]


@pytest.mark.parametrize("shape", SHAPES)
def test_least_squares_by_hand(shape: tuple[int, ...]) -> None:
    real, fake = torch.full(shape, 0.8), torch.full(shape, 0.3)
    assert generator_loss(fake).item() == pytest.approx(0.49)
    assert discriminator_loss(real, fake).item() == pytest.approx(0.5 * (0.04 + 0.09))
    assert generator_loss(torch.ones(shape)) == 0
    assert discriminator_loss(torch.ones(shape), torch.zeros(shape)) == 0


@pytest.mark.parametrize("loss", [cycle_loss, identity_loss])
@pytest.mark.parametrize("shape", SHAPES)
def test_l1_by_hand_and_in_float32(loss: type, shape: tuple[int, ...]) -> None:
    image = torch.rand(shape, dtype=torch.float32)
    assert loss(image, image) == 0
    assert loss(image, image - 0.25).item() == pytest.approx(0.25, abs=1e-6)
    assert loss(image.bfloat16(), image.bfloat16()).dtype == torch.float32


def test_gradient_moves_the_fake_towards_real() -> None:
    scores = torch.zeros(4, requires_grad=True)
    generator_loss(scores).backward()
    assert (scores.grad < 0).all()


def _two_tissues(size: tuple[int, ...]) -> torch.Tensor:
    labels = torch.zeros(1, 3, *size)
    labels[:, 0, : size[0] // 2] = 1
    labels[:, 1, size[0] // 2 :] = 1
    return labels


@pytest.mark.parametrize("size", [(16, 16), (8, 8, 8)])
def test_tissue_loss_is_the_formula(size: tuple[int, ...]) -> None:
    random = torch.Generator().manual_seed(0)
    labels = _two_tissues(size)
    real, fake = (torch.rand(1, 1, *size, generator=random) for _ in range(2))
    tissue = TissueLoss(3)
    tissue.update(real, labels)
    expected = 0.0
    for half in (slice(None, size[0] // 2), slice(size[0] // 2, None)):
        expected += float((fake[0, 0, half] - real[0, 0, half].median()).abs().mean())
    assert float(tissue(fake, labels)) == pytest.approx(expected / 2, abs=1e-4)


def test_tissue_loss_is_zero_for_the_right_tissues_and_not_for_swapped_ones() -> None:
    labels = _two_tissues((16, 16))
    real = labels[:, :1] * 0.8 - labels[:, 1:2] * 0.5
    tissue = TissueLoss(3)
    for _ in range(3):
        tissue.update(real, labels)
    assert float(tissue(real, labels)) < 1e-5
    assert float(tissue(real.flip(2), labels)) > 1


def test_tissue_loss_expects_the_mean_of_the_images_medians() -> None:
    labels, tissue = _two_tissues((16, 16)), TissueLoss(3)
    for share in (0.6, 0.7):  # most voxels of the first tissue are 1, the rest 0: means would differ
        image = torch.zeros(1, 1, 16, 16)
        image.view(-1)[: int(share * 128)] = 1
        tissue.update(image, labels)
    assert tissue.expected[:2].tolist() == pytest.approx([1, 0])
    tissue.update(torch.full((1, 1, 16, 16), 2.0), labels)
    assert tissue.expected[:2].tolist() == pytest.approx([1.01, 0.02])


def test_tissue_loss_is_zero_without_labels_or_experience() -> None:
    labels, image = _two_tissues((16, 16)), torch.rand(1, 1, 16, 16)
    tissue = TissueLoss(3)
    assert float(tissue(image, labels)) == 0
    tissue.update(image, labels)
    assert float(tissue(image, torch.zeros_like(labels))) == 0


def test_tissue_loss_has_the_right_gradient() -> None:
    labels = _two_tissues((8, 8)).double()
    image = torch.rand(1, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    tissue = TissueLoss(3)
    tissue.update(torch.rand(1, 1, 8, 8), labels)
    tissue(image, labels).backward()
    step = 1e-3
    for at in ((0, 0, 1, 2), (0, 0, 6, 5)):
        moved = image.detach().clone()
        moved[at] += step
        up = float(tissue(moved, labels))
        moved[at] -= 2 * step
        numeric = (up - float(tissue(moved, labels))) / (2 * step)
        assert image.grad[at].item() == pytest.approx(numeric, abs=2e-4)


@pytest.mark.parametrize("shape", [(2, 1, 4, 5), (1, 2, 3, 4, 3)])
def test_gradients_are_those_of_the_formulas(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    a, b = torch.randn(2, *shape, dtype=torch.float64)
    for loss in (cycle_loss, identity_loss):
        # Single precision inside: a coarse step, away from the kink of an absolute value.
        apart = torch.where((a - b).abs() < 0.1, b + 0.5, b).requires_grad_()
        assert torch.autograd.gradcheck(lambda x, loss=loss: loss(a, x), apart, eps=1e-2, atol=1e-3)
    scores = b.clone().requires_grad_()
    assert torch.autograd.gradcheck(generator_loss, scores, eps=1e-2, atol=1e-3)
    assert torch.autograd.gradcheck(discriminator_loss, (a.requires_grad_(), scores), eps=1e-2, atol=1e-3)
