import pytest
import torch

from SynthLogic.losses import cycle_loss, discriminator_loss, generator_loss, identity_loss

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
