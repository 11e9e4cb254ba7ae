import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.image
import pytest
import torch

from SynthLogic.bundles import Bundle
from SynthLogic.errors import ConfigError, TrainingError
from SynthLogic.losses import label_cross_entropy, standard_divergence
from SynthLogic.methods import TrainProgress, load_config, method_named, parse_config, train
from SynthLogic.methods.base import Method
from SynthLogic.methods.label_vae import LabelVaeMethod
from SynthLogic.methods.spade import Spade

from .heart_toys import heart_config, heart_source
from .test_config import change
from .test_train import newest, rows, same

Plain = dict[str, Any]
METHODS = ["label-vae", "spade"]
TRAINING = Path(__file__).parents[2] / "Resources" / "training"
RECIPES = [
    path for path in sorted(TRAINING.glob("*.yaml")) if "\nbundle:" in path.read_text(encoding="utf-8")
]


def built(plain: Plain) -> Method:
    config = parse_config(plain)
    return method_named(config.method)(config)


def bare(plain: Plain) -> tuple[Any, dict[str, torch.Tensor]]:
    """A method without a trainer, and a batch."""
    torch.manual_seed(0)
    config = parse_config(plain)
    method = method_named(config.method)(config)
    optimisers = method.configure_optimizers()
    method.optimizers = lambda: optimisers if len(optimisers) > 1 else optimisers[0]  # type: ignore
    method.manual_backward = lambda loss: loss.backward()  # type: ignore
    return method, method.family.read(config, lambda _: None).stream.batch(0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("bundles", {}, "'bundles' is unknown"),
        ("coverage", {}, "'coverage' is unknown"),
        ("pool_size", 3, "'pool_size' is unknown"),
        ("data.size", 100, "'data.size' is wrong"),
        ("data.sampling", {}, "'data.sampling' is unknown"),
        ("data.augmentation", {"flip": 1}, "'data.augmentation.flip' is unknown"),
        ("data.augmentation", {"scale": [1.2, 0.8]}, "two ascending numbers"),
        ("data.augmentation", {"bend_mm": 50}, "'data.augmentation.bend_mm' is wrong"),
        ("data.augmentation", {"drop": {"rv_cavity": 1}}, "chances must lie"),
        ("data.held_out", ["elsewhere:x"], "root 'elsewhere' is not among"),
        ("losses", {"lambda_cycle": 1}, "losses.lambda_cycle' is unknown"),
        ("network.arguments", {"depth": 3}, "depth"),
        ("network.arguments", {"size": 32}, "network.arguments.size follows from 'data'"),
        ("network.name", "resnet-generator", "correct network.name"),
        ("bundle.version", "one", "'bundle.version' is wrong"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(
    hearts: Path, method: str, path: str, value: object, message: str
) -> None:
    plain = change(heart_config(hearts, method), path, value)
    with pytest.raises(ConfigError) as caught:
        built(plain)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("data.sources.0.image", None, "source 'toy hearts' has no 'image'"),
        ("data.sources.0.style", None, "source 'toy hearts' has no 'style'"),
        ("data.styles", [], "needs styles"),
        ("discriminator.loss", "wasserstein", "'discriminator.loss' is wrong"),
        ("losses", {"beta": 1}, "losses.beta' is unknown"),
        ("losses", {"lambda_obey": -1}, "losses.lambda_obey' is wrong"),
    ],
)
def test_painting_needs_what_it_needs(spade: Plain, path: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        built(change(spade, path, value))


def test_a_method_is_named_first(vae: Plain) -> None:
    del vae["method"]
    with pytest.raises(ConfigError, match="'method' is missing"):
        parse_config(vae)
    with pytest.raises(ConfigError, match="is unknown; this version knows"):
        parse_config({**vae, "method": ["label-vae"]})


def test_shipped_recipes_are_valid() -> None:
    names = {path.stem: load_config(path).bundle.name for path in RECIPES}
    assert names.pop("unet") == names.pop("unet-two-images") == "my-structures"
    assert names == {
        name: name for name in ("heart-labels-vae", "heart-labels-to-mr", "smoke-label-vae", "smoke-spade")
    }
    for path in RECIPES:
        config = load_config(path)
        method_named(config.method)(config)


@pytest.mark.parametrize("name", ["heart-labels-vae", "heart-labels-to-mr"])
def test_shipped_bundles_hold_out_the_benchmarks_patient_and_name_licences(name: str) -> None:
    config = load_config(TRAINING / f"{name}.yaml")
    assert config.data.held_out == ("real:cardiac_mr_sunnybrook/SC-HF-I-4_*.nii.gz",)
    real = [source for source in config.data.sources if source.root == "real"]
    assert {source.licence for source in real} == {"CC0-1.0", "Apache-2.0"}
    assert not any(source.required for source in real)
    # A patient without labels of the right ventricle must not teach the segmenter that there is none.
    assert all("rv_cavity" not in source.complete for source in real if "Sunnybrook" in source.name)


@pytest.mark.parametrize("name", ["smoke-label-vae", "smoke-spade"])
def test_smoke_recipes_run_and_their_bundles_open(name: str, hearts: Path, tmp_path: Path) -> None:
    config = load_config(TRAINING / f"{name}.yaml").with_roots({"cohort": str(hearts)})
    result = train(config, tmp_path / "run")
    assert result.finished
    bundle = Bundle.open(result.bundles[0])
    bundle.verify()
    assert bundle.load_network() is not None


@pytest.mark.parametrize("method", METHODS)
def test_configuration_survives_plain_data_and_hides_folders(hearts: Path, method: str) -> None:
    config = parse_config(heart_config(hearts, method))
    assert parse_config(json.loads(json.dumps(config.model_dump(mode="json")))) == config
    assert str(hearts) not in json.dumps(config.recipe())


@pytest.fixture(scope="module", params=METHODS)
def finished(
    request: pytest.FixtureRequest, hearts: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path, list[TrainProgress]]:
    """Ten iterations without a break; tests do not write to its folder."""
    folder, lines = tmp_path_factory.mktemp("run") / request.param, []
    torch.set_num_threads(1)
    result = train(parse_config(heart_config(hearts, request.param)), folder, progress=lines.append)
    assert result.finished
    return request.param, folder, lines


Finished = tuple[str, Path, list[TrainProgress]]


def test_lines_and_pictures(finished: Finished) -> None:
    method, folder, lines = finished
    told = [line for line in lines if line.losses]
    assert [line.done for line in told] == list(range(1, 11))
    names = {
        "label-vae": {"total", "cross_entropy", "divergence", "dice"},
        "spade": {"painter", "adversarial", "feature", "style", "image", "discriminators"},
    }
    assert set(told[0].losses) == names[method]
    columns = {"label-vae": ("labels", 5), "spade": ("images", 6)}[method]
    picture = matplotlib.image.imread(folder / "pictures" / f"iteration-00000010-{columns[0]}.png")
    assert picture.shape[:2] == (44 + 5 * 2 * 32, 5 * columns[1] * 32)  # a heading; each pixel five times
    assert picture[..., 0].std() > 0.05


def test_resumed_is_straight_bit_by_bit(finished: Finished, hearts: Path, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop_after_seven(line: TrainProgress) -> None:
        if line.losses and line.done == 7:
            raise Stop

    method, folder, _ = finished
    config = parse_config(heart_config(hearts, method))
    with pytest.raises(Stop):
        train(config, tmp_path / "run", progress=stop_after_seven)
    torch.manual_seed(99)
    assert train(config, tmp_path / "run").iterations == 10
    assert rows(tmp_path / "run")[7:] == rows(folder)[5:]
    one, other = newest(folder), newest(tmp_path / "run")
    for checkpoint in (one, other):
        del checkpoint["run"]["elapsed_s"]
    for key in ("state_dict", "optimizer_states", "run"):
        assert same(one[key], other[key]), key


def test_the_bundle_holds_the_running_mean_and_a_true_card(finished: Finished, hearts: Path) -> None:
    method, folder, _ = finished
    bundle = Bundle.open(folder / "bundles" / f"toy-{method}")
    bundle.verify()
    card = bundle.card
    mean = {
        k.removeprefix("mean.network."): v
        for k, v in newest(folder)["state_dict"].items()
        if k.startswith("mean.network.")
    }
    weights = bundle.load_network().state_dict()
    assert weights.keys() == mean.keys()
    assert all(torch.equal(weights[key], mean[key]) for key in mean)
    assert card.task == {"label-vae": "label-vae", "spade": "paint"}[method]
    assert card.label_input.labels == {"background": 0, "lv_cavity": 1, "myocardium": 2, "rv_cavity": 3}
    assert card.spatial.spacing_mm == 4.5
    assert [(d.name, d.volumes) for d in card.training.data] == [("toy hearts", 8)]
    assert card.training.iterations == 10
    assert card.training.method == method
    assert card.training.recipe["data"]["size"] == 32
    assert str(hearts) not in card.to_json()
    assert card.network.arguments["size"] == 32
    assert card.limits == ("A toy.",)
    if method == "spade":
        assert [style.name for style in card.styles] == ["vendor-a", "vendor-b"]
        assert card.precision.bf16_mean_difference is not None
        assert card.reference is not None
        assert card.reference.intensity.steps[0].kind == "percentiles"
        assert card.image_output.intensity.steps[0].kind == "window"
        assert weights["style_means"].abs().max() > 0
    else:
        assert card.precision.bf16_mean_difference is None


def test_styles_that_no_heart_has_are_left_out(spade: Plain, tmp_path: Path) -> None:
    other = heart_source(name="real", root="real", style="siemens", required=False)
    spade["data"]["sources"].append(other)
    spade["data"]["styles"].insert(1, {"name": "siemens", "title": "s", "description": "s"})
    spade["schedule"] = {"constant": 1, "decay": 0}
    result = train(parse_config(spade), tmp_path / "run")
    bundle = Bundle.open(result.bundles[0])
    assert [style.name for style in bundle.card.styles] == ["vendor-a", "vendor-b"]
    assert any("'real'" in limit for limit in bundle.card.limits)
    means = newest(tmp_path / "run")["state_dict"]["mean.network.style_means"]
    assert torch.equal(bundle.load_network().state_dict()["style_means"], means[[0, 2]])


def test_vae_losses_are_the_formula(vae: Plain) -> None:
    vae["losses"] = {
        "lambda_cross_entropy": 2,
        "beta": 0.3,
        "warm_up": 4,
        "lambda_dice": 0,
        "heart_weight": 5,
    }
    method, batch = bare(vae)
    method.iteration = 1
    network = method.generators["network"].eval()
    with torch.no_grad():
        logits, mean, log_variance = network(batch["labels"])
    cross = label_cross_entropy(logits, batch["labels"], torch.tensor([1.0, 5, 5, 5]))
    divergence = standard_divergence(mean, log_variance)
    losses = method.step(batch)
    assert losses["cross_entropy"].item() == pytest.approx(cross.item(), rel=1e-4)
    assert losses["divergence"].item() == pytest.approx(divergence.item(), rel=1e-4)
    assert losses["total"].item() == pytest.approx((2 * cross + 0.3 * 2 / 4 * divergence).item(), rel=1e-4)


def test_between_goes_from_each_slice_to_the_next_higher() -> None:
    heights, codes = torch.tensor([0.9, 0.1, 0.5]), torch.tensor([[9.0], [1.0], [5.0]])
    for _ in range(20):
        low, high = LabelVaeMethod.between(codes, heights)[:, 0].tolist()
        assert 1 <= low <= 5 <= high <= 9


def test_doubt_between_slices_can_be_asked_for(vae: Plain) -> None:
    vae["losses"] = {"lambda_between": 1}
    method, batch = bare(vae)
    losses = method.step(batch)
    assert 0 < losses["between"] <= math.log(4)


def test_the_vae_learns_the_toy(vae: Plain, tmp_path: Path) -> None:
    vae |= {"schedule": {"constant": 40, "decay": 20}, "batch": 8, "optimiser": {"lr": 1e-2}}
    vae["intervals"] |= {"log": 10, "checkpoint": 60, "pictures": 60}
    lines: list[TrainProgress] = []
    train(parse_config(vae), tmp_path / "run", progress=lines.append)
    found = [line.losses["cross_entropy"] for line in lines if line.losses]
    assert found[-1] < 0.5 * found[0]


def test_each_optimiser_moves_its_own_networks(spade: Plain) -> None:
    spade["losses"] = {"lambda_obey": 1, "lambda_edge": 1}
    method, batch = bare(spade)
    optimisers = method.optimizers()
    assert len(optimisers) == 3
    names = ("generators.", "discriminators.", "segmenter.")
    for own, prefix in zip(range(3), names, strict=True):
        steps = [o.step for o in optimisers]
        for n, optimiser in enumerate(optimisers):
            if n != own:
                optimiser.step = lambda *_: None
        before = {name: p.clone() for name, p in method.named_parameters()}
        losses = method.step(batch)
        moved = {name for name, p in method.named_parameters() if not torch.equal(p, before[name])}
        assert moved
        assert all(name.startswith(prefix) for name in moved), moved
        for optimiser, step in zip(optimisers, steps, strict=True):
            optimiser.step = step
    assert set(losses) == {
        "segmenter", "adversarial", "feature", "style", "image", "edge", "obey", "discriminators", "painter"
    }  # fmt: skip
    assert all(p.requires_grad for p in method.discriminators.parameters())
    assert all(p.requires_grad for p in method.segmenter.parameters())


@pytest.mark.parametrize("loss", ["hinge", "least-squares"])
def test_the_painters_loss_is_the_sum_of_its_terms(spade: Plain, loss: str) -> None:
    weights = {"adversarial": 2, "feature": 3, "style": 0.1, "image": 5}
    spade["losses"] = {f"lambda_{name}": weight for name, weight in weights.items()}
    spade["discriminator"]["loss"] = loss
    method, batch = bare(spade)
    losses = method.step(batch)
    expected = sum(weight * losses[name].item() for name, weight in weights.items())
    assert losses["painter"].item() == pytest.approx(expected, rel=1e-4)


def test_the_image_is_compared_only_where_the_style_is_its_own(spade: Plain) -> None:
    method, batch = bare(spade)
    painter = method.generators["network"]
    shown: list[torch.Tensor] = []
    encode = painter.encode_style
    painter.encode_style = lambda image, labels: (shown.append(image), encode(image, labels))[1]
    fakes: list[torch.Tensor] = []
    painter.register_forward_hook(lambda *given: fakes.append(given[2]))
    losses = method.step(batch)
    assert torch.equal(shown[0], torch.cat([batch["image"][:2], batch["other"][2:]]))
    own = (fakes[0][:2] - batch["image"][:2]).abs().mean()
    assert losses["image"].item() == pytest.approx(own.item(), rel=1e-4)


def test_incomplete_labels_neither_teach_the_segmenter_nor_are_asked_for(spade: Plain) -> None:
    spade["losses"] = {"lambda_obey": 1}
    method, batch = bare(spade)
    batch["complete"][:] = False
    losses = method.step(batch)
    assert losses["segmenter"] == 0
    assert losses["obey"] == 0
    batch["complete"][1] = True
    assert method.step(batch)["segmenter"] > 0


def test_the_segmenter_learns_and_makes_the_painter_obey(spade: Plain) -> None:
    spade["losses"] = {"lambda_obey": 5, "lambda_image": 0, "lambda_feature": 0, "lambda_adversarial": 0}
    spade |= {"batch": 8, "optimiser": {"lr": 5e-3}}
    method, _ = bare(spade)
    stream = method.family.read(parse_config(spade), lambda _: None).stream
    found = [method.step(stream.batch(n)) for n in range(40)]
    for name in ("segmenter", "obey"):
        early, late = (
            torch.stack([losses[name] for losses in part]).mean() for part in (found[:5], found[-5:])
        )
        assert late < 0.7 * early, name


def test_exported_styles_are_those_that_were_painted_with(spade: Plain) -> None:
    method, batch = bare(spade)
    method.step(batch)
    for networks in (method.generators, method.mean):
        assert torch.equal(networks["network"].style_means, method.styles.means)


@pytest.mark.parametrize("method", METHODS)
def test_mixed_precision_and_channels_last_train(hearts: Path, method: str, tmp_path: Path) -> None:
    plain = heart_config(hearts, method)
    plain |= {"precision": "bf16-mixed", "channels_last": True, "schedule": {"constant": 2, "decay": 0}}
    if method == "spade":
        plain["losses"] = {"lambda_obey": 1}
    train(parse_config(plain), tmp_path / "run")
    weights = newest(tmp_path / "run")["state_dict"]
    assert {v.dtype for v in weights.values() if v.is_floating_point()} == {torch.float32}


def test_not_a_number_stops_the_training(
    spade: Plain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good: Callable[..., dict[str, torch.Tensor]] = Spade.step

    def bad(self: Spade, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {k: v * (math.nan if self.iteration == 6 else 1) for k, v in good(self, batch).items()}

    monkeypatch.setattr(Spade, "step", bad)
    with pytest.raises(TrainingError, match="iteration 5 is kept"):
        train(parse_config(spade), tmp_path / "run")
