from pathlib import Path
from typing import Any

import pytest
import yaml

from SynthLogic.errors import ConfigError
from SynthLogic.methods import TrainConfig, load_config, method_named, parse_config
from SynthLogic.methods.config import ScheduleConfig

RECIPES = sorted((Path(__file__).parents[2] / "Resources" / "training").glob("*.yaml"))
YOURS = [path for path in RECIPES if "your licence" in path.read_text(encoding="utf-8")]
TRANSLATIONS = [path for path in RECIPES if "bundles:" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", TRANSLATIONS, ids=lambda p: p.stem)
def test_shipped_recipes_are_valid(path: Path) -> None:
    config = load_config(path)
    method = method_named(config.method)
    method.check_weights(config)
    assert set(config.bundles) <= set(method.directions(config))
    assert method.needs_pairs == config.data.paired


@pytest.mark.parametrize(
    ("name", "published"),
    [
        (
            "cyclegan-mask",
            {"data.sampling.patch": 232, "losses.lambda_cycle": 10, "optimiser.lr": 2e-4, "batch": 1,
             "data.b.intensity.steps.0.upper": 99, "data.sampling.slices_with": [2],
             "data.sampling.centre": "labels"},
        ),
        (
            "cyclegan-gc",
            {"data.sampling.patch": 256, "data.sampling.planes": {"coronal": 1}, "losses.lambda_cycle": 3,
             "losses.lambda_gc": 0.3, "losses.gc": "published", "optimiser.lr": 2e-4,
             "schedule.constant": 100_000, "schedule.decay": 100_000, "network.arguments.blocks": 9,
             "data.a.intensity.steps.0.lower": -150, "data.a.intensity.steps.0.upper": 350,
             "data.b.intensity.steps.0.kind": "n4", "discriminator.layers": 3, "batch": 1},
        ),
        (
            "dicyclegan",
            {"data.sampling.patch": 128, "data.sampling.spacing_range_mm": [1.8, 1.8],
             "losses.lambda_cycle": 10, "losses.lambda_dicycle": 10, "losses.lambda_align": 0.9,
             "optimiser.lr": 2e-4, "network.arguments.blocks": 9, "network.arguments.features": 64,
             "schedule.patience": {"constant": 10, "decay": 20, "watch": "generators"}},
        ),
        (
            "pix2pix",
            {"losses.lambda_image": 100, "losses.contest": "cross-entropy", "optimiser.lr": 2e-4,
             "optimiser.betas": [0.5, 0.999], "discriminator.layers": 3},
        ),
        ("unet", {"batch": 16, "network.arguments.levels": 3}),
        ("unet-two-images", {"optimiser.lr": 1e-4, "schedule.constant": 100_000, "data.sampling.patch": 256}),
    ],
)  # fmt: skip
def test_recipes_have_the_papers_values(name: str, published: dict[str, object]) -> None:
    plain = load_config(RECIPES[0].parent / f"{name}.yaml").model_dump(mode="json")
    for path, value in published.items():
        found: Any = plain
        for key in path.split("."):
            found = found[int(key)] if isinstance(found, list) else found[key]
        assert found == value, path


@pytest.mark.parametrize("path", YOURS, ids=lambda p: p.stem)
def test_recipes_for_your_own_data_keep_people_out(path: Path) -> None:
    data = load_config(path).data
    assert data.split is not None
    assert all(source.subject or source.table for source in data.all_sources())


def test_the_thorax_recipe_trains_on_no_subject_in_both_domains_and_mostly_on_phantoms() -> None:
    data = load_config(RECIPES[0].parent / "thorax.yaml").data
    phantoms = [next(s for s in d.sources if s.root == "cohort") for d in (data.a, data.b)]
    assert {s.subjects for s in phantoms} == {"even", "odd"}
    for domain, own in zip((data.a, data.b), phantoms, strict=True):
        assert own.weight / sum(s.weight for s in domain.sources) == pytest.approx(0.8)
        assert all(not s.required for s in domain.sources if s.root == "real")


@pytest.mark.parametrize("name", ["ct-to-mr", "mr-to-ct"])
def test_the_yardstick_differs_from_the_thorax_recipe_in_the_pairs_alone(name: str) -> None:
    unpaired = load_config(RECIPES[0].parent / "thorax.yaml")
    paired = load_config(RECIPES[0].parent / f"thorax-supervised-{name}.yaml")
    for key in ("network", "optimiser", "batch", "precision", "ema_decay"):
        assert getattr(paired, key) == getattr(unpaired, key), key
    assert paired.data.sampling == unpaired.data.sampling
    for one, other in ((paired.data.a, unpaired.data.a), (paired.data.b, unpaired.data.b)):
        for key in ("intensity", "output_intensity", "background", "corruptions"):
            assert getattr(one, key) == getattr(other, key), key
        assert {s.root for s in one.sources} == {"cohort"}
        assert one.sources[0].subjects == "all"


def change(plain: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    *parents, key = path.split(".")
    place: Any = plain
    for parent in parents:
        place = place[int(parent)] if parent.isdigit() else place[parent]
    place[key] = value
    return plain


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("batches", 3, "'batches' is unknown"),
        ("data.a.sources.0.globb", "x", "data.a.sources.0.globb' is unknown"),
        ("batch", 0, "'batch' is wrong"),
        ("precision", "fp8", "'precision' is wrong"),
        ("data.a.sources.0.root", "elsewhere", "root 'elsewhere' is not among roots"),
        ("data.a.sources", [], "'data.a.sources' is wrong"),
        ("data.sampling.patch", 30, "'data.sampling.patch' is wrong"),
        ("data.sampling.planes", {"axial": 0}, "at least one plane"),
        ("data.sampling.spacing_range_mm", [3, 2], "two ascending sizes"),
        ("data.a.sources.0.subjects", "some", "'data.a.sources.0.subjects' is wrong"),
        ("schedule", {"constant": 0, "decay": 0}, "nothing to train"),
        ("data.b.corruptions", [{"kind": "fog"}], "'data.b.corruptions.0' is wrong"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(
    toy: dict[str, Any], path: str, value: object, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(change(toy, path, value))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_key_is_named(toy: dict[str, Any]) -> None:
    del toy["coverage"]
    with pytest.raises(ConfigError, match="'coverage' is missing"):
        parse_config(toy)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "method",
            "magic",
            "'magic' is unknown; this version knows cyclegan, cyclegan-gc, cyclegan-mask,",
        ),
        ("losses", {"lambda_magic": 1.0}, "losses.lambda_magic' is unknown"),
        ("losses", {"lambda_cycle": -1.0}, "losses.lambda_cycle' is wrong"),
        ("network.name", "u-net-of-dreams", "u-net-of-dreams"),
        ("network.arguments", {"depth": 3}, "depth"),
        ("data.paired", True, "does not take paired data"),
        ("discriminator.layers", 4, "need patches of 48 pixels"),
    ],
)
def test_methods_refuse_what_they_do_not_know(
    toy: dict[str, Any], path: str, value: object, message: str
) -> None:
    def build() -> None:
        config = parse_config(change(toy, path, value))
        method_named(config.method)(config)

    with pytest.raises(ConfigError) as caught:
        build()
    assert message in str(caught.value)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "absent.yaml")
    for text, message in (("a: [1", "not YAML"), ("just words", "holds no keys"), ("", "holds no keys")):
        path = tmp_path / "bad.yaml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=message):
            load_config(path)


def test_roots_are_replaced_and_never_part_of_the_recipe(config: TrainConfig) -> None:
    moved = config.with_roots({"real": "somewhere/else"})
    assert moved.data.roots["real"] == "somewhere/else"
    assert moved.recipe() == config.recipe()
    assert "roots" not in moved.recipe()["data"]
    with pytest.raises(ConfigError, match="'fake' is unknown"):
        config.with_roots({"fake": "x"})


def test_configuration_survives_yaml(config: TrainConfig) -> None:
    assert parse_config(yaml.safe_load(yaml.safe_dump(config.model_dump(mode="json")))) == config


def test_schedule_is_constant_then_linear_to_zero() -> None:
    schedule = ScheduleConfig(constant=100, decay=100)
    factors = [schedule.factor(n) for n in (0, 99, 100, 150, 199, 200, 300)]
    assert factors == pytest.approx([1, 1, 1, 0.5, 0.01, 0, 0])


def test_clipping_scaled_gradients_is_refused(toy: dict[str, Any]) -> None:
    toy["precision"], toy["optimiser"] = "16-mixed", {"clip_norm": 1.0}
    with pytest.raises(ConfigError, match="bf16-mixed"):
        parse_config(toy)


def test_a_base_is_changed_key_by_key(toy: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    whole = tmp_path / "whole.yaml"
    whole.write_text(yaml.safe_dump(toy), encoding="utf-8")
    middle = tmp_path / "below" / "middle.yaml"
    middle.write_text(
        "base: ../whole.yaml\nschedule: {constant: 9}\nlimits: [Few people.]\n", encoding="utf-8"
    )
    top = tmp_path / "below" / "top.yaml"
    top.write_text("base: middle.yaml\nseed: 8\ndata: {sampling: {patch: 16}}\n", encoding="utf-8")
    toy["schedule"]["constant"], toy["seed"], toy["limits"] = 9, 8, ["Few people."]
    toy["data"]["sampling"]["patch"] = 16
    assert load_config(top) == parse_config(toy)


def test_a_base_must_be_one_other_file(tmp_path: Path) -> None:
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    one.write_text("base: other.yaml", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"other\.yaml cannot be read"):
        load_config(one)
    other.write_text("base: one.yaml", encoding="utf-8")
    with pytest.raises(ConfigError, match="is its own base"):
        load_config(one)
    one.write_text("base: [other.yaml]", encoding="utf-8")
    with pytest.raises(ConfigError, match="the name of one file"):
        load_config(one)
