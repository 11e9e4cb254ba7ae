import math

import pytest
import torch

from SynthLogic.losses import (
    doubt,
    edge_loss,
    feature_matching_loss,
    hinge_discriminator_loss,
    hinge_generator_loss,
    label_cross_entropy,
    soft_dice_loss,
    standard_divergence,
)


def one_hot(values: list[int], labels: int = 3) -> torch.Tensor:
    """(1, labels, 1, len)."""
    return torch.nn.functional.one_hot(torch.tensor(values), labels).T[None, :, None].float()


def logits_of(shares: list[list[float]]) -> torch.Tensor:
    """(1, labels, 1, pixels) whose softmax are the shares of each pixel."""
    return torch.tensor(shares).log().T[None, :, None]


def check_gradient(loss: object, *tensors: torch.Tensor) -> None:
    # Losses are computed in float32, so the steps must not be small.
    torch.autograd.gradcheck(loss, [t.double().requires_grad_() for t in tensors], atol=3e-3, eps=1e-2)


def test_cross_entropy_by_hand() -> None:
    logits, labels = logits_of([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]), one_hot([0, 2])
    plain = -(math.log(0.5) + math.log(0.8)) / 2
    assert label_cross_entropy(logits, labels).item() == pytest.approx(plain, rel=1e-5)
    weighted = -(math.log(0.5) + 3 * math.log(0.8)) / 4
    weights = torch.tensor([1.0, 1.0, 3.0])
    assert label_cross_entropy(logits, labels, weights).item() == pytest.approx(weighted, rel=1e-5)
    assert label_cross_entropy(logits.bfloat16(), labels).dtype == torch.float32


def test_cross_entropy_is_torchs() -> None:
    logits, values = torch.randn(2, 4, 3, 5), torch.randint(0, 4, (2, 3, 5))
    labels = torch.nn.functional.one_hot(values, 4).permute(0, 3, 1, 2)
    weights = torch.tensor([1.0, 2.0, 0.5, 3.0])
    expected = torch.nn.functional.cross_entropy(logits, values, weights)
    torch.testing.assert_close(label_cross_entropy(logits, labels, weights), expected)


def test_soft_dice_by_hand() -> None:
    labels = one_hot([0, 1, 1, 2])
    assert soft_dice_loss(50 * labels, labels).item() == pytest.approx(0, abs=1e-6)
    logits = logits_of([[1 / 3] * 3] * 4)
    # Of label 1: 2 (2/3) / (4/3 + 2); of label 2: 2 (1/3) / (4/3 + 1).
    expected = 1 - (4 / 3 / (10 / 3) + 2 / 3 / (7 / 3)) / 2
    assert soft_dice_loss(logits, labels).item() == pytest.approx(expected, rel=1e-5)


def test_soft_dice_asks_nothing_of_absent_labels() -> None:
    labels = one_hot([0, 1, 1, 0])
    expected = 1 - 4 / 3 / (10 / 3)
    assert soft_dice_loss(logits_of([[1 / 3] * 3] * 4), labels).item() == pytest.approx(expected, rel=1e-5)
    assert soft_dice_loss(logits_of([[1 / 3] * 3] * 2), one_hot([0, 0])).item() == 0


def test_divergence_by_hand_and_against_torch() -> None:
    assert standard_divergence(torch.zeros(4, 7), torch.zeros(4, 7)).item() == 0
    mean, log_variance = torch.randn(5, 3), torch.randn(5, 3)
    normal = torch.distributions.Normal
    exact = torch.distributions.kl_divergence(normal(mean, (log_variance / 2).exp()), normal(0.0, 1.0))
    torch.testing.assert_close(standard_divergence(mean, log_variance), exact.sum(1).mean())


def test_doubt_is_entropy() -> None:
    assert doubt(torch.zeros(2, 4, 3, 3)).item() == pytest.approx(math.log(4))
    assert doubt(100 * one_hot([0, 1, 2])).item() == pytest.approx(0, abs=1e-6)
    found = doubt(logits_of([[0.5, 0.5, 1e-12], [0.25, 0.25, 0.5]])).item()
    assert found == pytest.approx((math.log(2) + 1.5 * math.log(2)) / 2, rel=1e-4)


def test_hinge_by_hand() -> None:
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-2.0, 0.0, 0.5])
    assert hinge_generator_loss(fake).item() == pytest.approx(0.5)
    assert hinge_discriminator_loss(real, fake).item() == pytest.approx(0.5 * (2.5 / 3 + 2.5 / 3))
    assert hinge_discriminator_loss(torch.tensor([1.5]), torch.tensor([-1.5])).item() == 0


def test_feature_matching_counts_layers_and_discriminators_alike() -> None:
    real = [[torch.zeros(1, 1, 8, 8), torch.zeros(1, 4, 4, 4)], [torch.zeros(1, 2, 2, 2)]]
    fake = [[torch.full((1, 1, 8, 8), 1.0), torch.full((1, 4, 4, 4), 3.0)], [torch.full((1, 2, 2, 2), -4.0)]]
    assert feature_matching_loss(real, fake).item() == pytest.approx(((1 + 3) / 2 + 4) / 2)


def test_feature_matching_moves_the_fake_alone() -> None:
    real, fake = (torch.rand(1, 2, 3, 3, requires_grad=True) for _ in range(2))
    feature_matching_loss([[real]], [[fake]]).backward()
    assert real.grad is None
    assert fake.grad.abs().sum() > 0


@pytest.mark.parametrize("shape", [(1, 1, 4, 5), (1, 1, 3, 4, 5)])
def test_edges_by_hand(shape: tuple[int, ...]) -> None:
    image = torch.zeros(shape)
    assert edge_loss(image, image + 0.7).item() == pytest.approx(0, abs=1e-6)
    ramp = 0.25 * torch.arange(5.0).expand(shape)
    assert edge_loss(image, ramp).item() == pytest.approx(0.25 / (len(shape) - 2), rel=1e-5)


def test_gradients() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 3, 2, 2), one_hot([0, 1, 2, 1]).reshape(1, 3, 2, 2).repeat(2, 1, 1, 1)
    check_gradient(lambda x: label_cross_entropy(x, labels, torch.tensor([1.0, 2.0, 2.0])), logits)
    check_gradient(lambda x: soft_dice_loss(x, labels), logits)
    check_gradient(doubt, logits)
    check_gradient(standard_divergence, torch.randn(3, 4), torch.randn(3, 4))
    real, other = torch.randn(5), torch.randn(5)
    check_gradient(hinge_generator_loss, real)
    check_gradient(hinge_discriminator_loss, real, other)
    check_gradient(lambda x: feature_matching_loss([[other]], [[x]]), real)
    check_gradient(edge_loss, torch.randn(1, 1, 3, 3), torch.randn(1, 1, 3, 3))
