from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from SynthLogic.data import Batches, load_library
from SynthLogic.errors import ConfigError
from SynthLogic.losses import edge_consistency_loss, gradient_consistency_loss
from SynthLogic.methods import TrainConfig, TrainProgress, method_named, train
from SynthLogic.methods.config import DiscriminatorConfig
from SynthLogic.methods.cyclegan import CycleGan, patch_discriminator
from SynthLogic.methods.pool import ImagePool
from SynthLogic.methods.translation import Direction

from .conftest import Bare


@pytest.mark.parametrize(("layers", "field"), [(1, 16), (2, 34), (3, 70)])
def test_receptive_field_of_the_discriminator(config: TrainConfig, layers: int, field: int) -> None:
    config = config.model_copy(update={"discriminator": DiscriminatorConfig(features=2, layers=layers)})
    network = patch_discriminator(config).double()
    for module in network.modules():
        # Instance normalisation looks at the whole image; the field of the convolutions is what counts.
        if isinstance(module, torch.nn.InstanceNorm2d):
            module.forward = lambda x: x  # type: ignore[method-assign]
    image = torch.rand(1, 1, 128, 128, dtype=torch.float64, requires_grad=True)
    score = network(image)[-1]
    score[0, 0, score.shape[2] // 2, score.shape[3] // 2].backward()
    seen = image.grad[0, 0].abs() > 0
    assert int(seen.any(0).sum()) == int(seen.any(1).sum()) == field


def test_pool_fills_then_exchanges_half() -> None:
    pool = ImagePool(4, seed=0)
    first = torch.arange(4.0).reshape(4, 1, 1, 1)
    assert torch.equal(pool.exchange(first), first)
    old = 0
    for step in range(1, 201):
        given = torch.full((1, 1, 1, 1), 100.0 + step)
        old += int(not torch.equal(pool.exchange(given), given))
        assert len(pool.images) == 4
    assert 70 < old < 130


def test_pool_of_none_passes_through() -> None:
    fake = torch.rand(2, 1, 4, 4)
    assert ImagePool(0, seed=0).exchange(fake) is fake


def test_pool_goes_on_from_its_state() -> None:
    one, other = ImagePool(2, seed=5), ImagePool(2, seed=6)
    stream = torch.rand(30, 1, 2, 2).split(2)
    for fakes in stream[:7]:
        one.exchange(fakes)
    other.restore(one.state())
    for fakes in stream[7:]:
        assert torch.equal(one.exchange(fakes), other.exchange(fakes))


@pytest.fixture
def batch(config: TrainConfig) -> dict[str, torch.Tensor]:
    data = config.data
    return Batches(data, load_library(data, data.a), load_library(data, data.b), size=2, seed=1).batch(0)


def test_losses_are_the_published_ones(config: TrainConfig, batch: dict[str, torch.Tensor]) -> None:
    config = config.model_copy(update={"losses": {"lambda_cycle": 7.0, "lambda_identity": 2.0}})
    method = Bare(config)
    to_b, to_a = method.generators["a_to_b"], method.generators["b_to_a"]
    with torch.no_grad():
        fakes = {"b": to_b(batch["a_input"]), "a": to_a(batch["b_input"])}
        scores = {d: method.discriminators[d](fakes[d])[-1] for d in "ab"}
        adversarial = sum(((s - 1) ** 2).mean() for s in scores.values())
        cycle = (to_a(fakes["b"]) - batch["a_target"]).abs().mean()
        cycle += (to_b(fakes["a"]) - batch["b_target"]).abs().mean()
        identity = (to_b(batch["b_input"]) - batch["b_target"]).abs().mean()
        identity += (to_a(batch["a_input"]) - batch["a_target"]).abs().mean()
        judged = sum(
            ((method.discriminators[d](batch[f"{d}_target"])[-1] - 1) ** 2).mean() / 2
            + (scores[d] ** 2).mean() / 2
            for d in "ab"
        )
    losses = method.step(batch)
    assert losses["adversarial"].item() == pytest.approx(adversarial.item(), rel=1e-4)
    assert losses["cycle"].item() == pytest.approx(cycle.item(), rel=1e-4)
    assert losses["identity"].item() == pytest.approx(identity.item(), rel=1e-4)
    assert losses["generators"].item() == pytest.approx(
        (adversarial + 7 * cycle + 2 * identity).item(), rel=1e-4
    )
    assert losses["discriminators"].item() == pytest.approx(judged.item(), rel=1e-3)


@pytest.mark.parametrize(
    ("kind", "loss"), [("published", gradient_consistency_loss), ("any-contrast", edge_consistency_loss)]
)
def test_gradient_consistency_is_that_of_image_and_translation(
    config: TrainConfig, batch: dict[str, torch.Tensor], kind: str, loss: Callable[..., torch.Tensor]
) -> None:
    method = Bare(config.model_copy(update={"losses": {"lambda_gc": 5.0, "lambda_cycle": 0.0, "gc": kind}}))
    with torch.no_grad():
        expected = [
            loss(batch[f"{o}_target"], method.generators[f"{o}_to_{d}"](batch[f"{o}_input"])).item()
            for d, o in (("b", "a"), ("a", "b"))
        ]
    losses = method.step(batch)
    assert losses["gc"].item() == pytest.approx(sum(expected) / 2, rel=1e-4)
    total = losses["adversarial"] + 5 * losses["gc"]
    assert losses["generators"].item() == pytest.approx(total.item(), rel=1e-4)


def test_cyclegan_gc_has_the_papers_weights(config: TrainConfig) -> None:
    method = method_named("cyclegan-gc")(config.model_copy(update={"method": "cyclegan-gc", "losses": {}}))
    assert (method.weights.lambda_cycle, method.weights.lambda_gc, method.weights.gc) == (
        3.0,
        0.3,
        "published",
    )
    with pytest.raises(ConfigError, match="gc"):
        method_named("cyclegan-gc")(config.model_copy(update={"losses": {"gc": "absolute"}}))


def test_a_step_is_clipped_to_the_norm_asked_for(config: TrainConfig, batch: dict[str, torch.Tensor]) -> None:
    def norms(clip: float | None) -> list[float]:
        optimiser = config.optimiser.model_copy(update={"clip_norm": clip})
        torch.manual_seed(0)
        method = Bare(config.model_copy(update={"optimiser": optimiser}))
        method.step(batch)
        grads = [[p.grad for g in o.param_groups for p in g["params"]] for o in method.plain]
        return [float(torch.nn.utils.get_total_norm(g)) for g in grads]

    free = norms(None)
    assert norms(min(free) / 2) == pytest.approx([min(free) / 2] * 2, rel=1e-3)
    assert norms(10 * max(free)) == pytest.approx(free)


def test_mean_losses_count_each_loss_by_itself(config: TrainConfig) -> None:
    method = CycleGan(config)
    method.sums = {"tissue": torch.tensor(6.0), "cycle": torch.tensor(1.0)}
    method.summed = {"tissue": 3, "cycle": 1}
    assert method.take_mean_losses() == {"tissue": 2.0, "cycle": 1.0}
    assert method.take_mean_losses() == {}


def test_each_optimiser_moves_its_own_networks(config: TrainConfig, batch: dict[str, torch.Tensor]) -> None:
    method = Bare(config)
    before = {name: value.clone() for name, value in method.state_dict().items()}
    method.plain[1].step = lambda *_: None  # type: ignore[method-assign]
    method.step(batch)
    moved = {n.split(".")[0] for n, v in method.state_dict().items() if not torch.equal(v, before[n])}
    assert moved == {"generators"}
    assert all(p.requires_grad for p in method.discriminators.parameters())


def test_the_running_mean_follows(config: TrainConfig) -> None:
    method = CycleGan(config)
    new, old = next(method.generators.parameters()), next(method.mean.parameters())
    assert torch.equal(new, old)
    start = old.clone()
    with torch.no_grad():
        new.add_(1)
    method._follow()
    torch.testing.assert_close(old, start + 0.9)
    method.iteration = 10_000
    method._follow()
    torch.testing.assert_close(old, start + 0.91)
    assert not any(p.requires_grad for p in method.mean.parameters())


@pytest.mark.parametrize("direction", ["a_to_b", "b_to_a"])
def test_supervised_learns_the_toy(
    pairs: Callable[[str], TrainConfig], direction: Direction, tmp_path: Path
) -> None:
    config = pairs(direction)
    config = config.model_copy(
        update={
            "schedule": config.schedule.model_copy(update={"constant": 30, "decay": 10}),
            "intervals": config.intervals.model_copy(update={"log": 10, "checkpoint": 40, "pictures": 40}),
            "optimiser": config.optimiser.model_copy(update={"lr": 5e-3}),
        }
    )
    lines: list[TrainProgress] = []
    result = train(config, tmp_path / "run", progress=lines.append)
    losses = [line.losses["image"] for line in lines if line.losses]
    assert losses[-1] < 0.6 * losses[0]
    assert [bundle.name for bundle in result.bundles] == [config.bundles[direction].name]
