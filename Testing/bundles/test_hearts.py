"""Cards and bundles that encode or paint labels: what they hold, what is refused, which is chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from SynthLogic.bundles import Bundle, Card, import_bundle, pick, pick_task, summary, write_bundle
from SynthLogic.errors import BundleError

from .conftest import HEARTS, LABELS, card_data, changed, heart_data, heart_state

MakeHeart = Callable[..., Bundle]
SWAPPED = {"background": 0, "myocardium": 2, "lv_cavity": 1, "rv_cavity": 4}


@pytest.mark.parametrize("task", HEARTS)
def test_a_card_equals_itself_after_a_round_trip(task: str) -> None:
    card = Card.from_data(heart_data(task))
    again = Card.from_json(card.to_json())
    assert again == card
    assert list(again.label_input.labels) == list(LABELS)  # the order is the network's
    assert again.label_input.values == (0, 1, 2, 4)
    assert hash(again.input) == hash(card.input)


@pytest.mark.parametrize(
    ("task", "changes", "words"),
    [
        ("label-vae", {"input__labels": {"lv_cavity": 1, "background": 0}}, "background, with the value 0"),
        ("label-vae", {"input__labels": {"background": 0}}, "'input.labels'"),
        ("label-vae", {"input__labels": {"background": 0, "a": 1, "b": 1}}, "the same value"),
        ("label-vae", {"input__labels": {"background": 0, "a": 256}}, "'input.labels.a'"),
        ("label-vae", {"input__units": "HU"}, "'input.units'"),
        ("label-vae", {"input__modality": "US"}, "'input.modality'"),
        ("label-vae", {"output__labels": SWAPPED}, "labels of the input"),
        ("label-vae", {"output": card_data()["output"]}, "labels as output"),
        ("label-vae", {"task": "translate"}, "task must be 'label-vae'"),
        ("label-vae", {"task": "classify"}, "'task'"),
        ("label-vae", {"network__name": "resnet-generator"}, "task must be 'translate'"),
        ("label-vae", {"styles": heart_data("paint")["styles"]}, "belong to the task 'paint'"),
        ("label-vae", {"spatial__spatial_dims": 3, "spatial__tile": [16, 16, 16]}, "spatial_dims must be 2"),
        ("paint", {"styles": []}, "needs styles"),
        ("paint", {"reference": None}, "needs styles and reference"),
        ("paint", {"reference__modality": "CT", "reference__units": "HU"}, "modality of the output"),
        ("paint", {"styles": 2 * heart_data("paint")["styles"][:1]}, "two styles"),
        ("paint", {"styles": [{"name": "a", "title": "A"}]}, "'styles.0.description'"),
        ("paint", {"input": card_data()["input"]}, "needs labels as input"),
        ("paint", {"output": card_data()["input"]}, "makes MR, not CT"),
        ("paint", {"output__intensity": {"steps": [{"kind": "z-score"}]}}, "windows"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(task: str, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BundleError) as caught:
        Card.from_data(heart_data(task, **changes))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_card_that_translates_takes_no_labels() -> None:
    with pytest.raises(BundleError, match="needs an image as input"):
        Card.from_data(card_data(input=heart_data("paint")["input"]))


@pytest.mark.parametrize("task", HEARTS)
def test_a_bundle_is_written_verified_and_imported(make_heart: MakeHeart, task: str) -> None:
    bundle = make_heart(task)
    bundle.verify()
    assert import_bundle(bundle.folder).status == "imported"
    assert summary(bundle)["task"] == task
    readme = (bundle.folder / "docs/README.md").read_text()
    assert "4 rv_cavity" in readme
    assert ("As b makes them." in readme) == (task == "paint")


@pytest.mark.parametrize(
    ("task", "changes", "words"),
    [
        ("label-vae", {"labels": {"background": 0, "heart": 1}}, "names 2 labels, its network has 4"),
        ("paint", {"labels": {"background": 0, "heart": 1}}, "names 2 labels, its network has 4"),
        ("paint", {"styles": 1}, "names 1 styles, its network has 2"),
    ],
)
def test_counts_of_the_card_are_the_networks(
    tmp_path: Any, task: str, changes: dict[str, Any], words: str
) -> None:
    data = heart_data(task)
    if "styles" in changes:
        data["styles"] = data["styles"][:1]
    else:
        parts = ("input",) if task == "paint" else ("input", "output")
        changed(data, {f"{part}__labels": changes["labels"] for part in parts})
    with pytest.raises(BundleError, match=words):
        write_bundle(tmp_path / "made", Card.from_data(data), heart_state(task))


def test_each_task_finds_its_own(make: Callable[..., Bundle], make_heart: MakeHeart) -> None:
    with pytest.raises(BundleError, match="No installed bundle paints labels"):
        pick_task("paint")
    import_bundle(make_heart("paint", at="a").folder)
    import_bundle(make_heart("label-vae", at="b").folder)
    with pytest.raises(BundleError, match="installed: none"):
        pick("CT", "MR")
    import_bundle(make(at="c").folder)
    assert pick("CT", "MR")[0].name == "tiny-ct-to-mr"
    bundle, why = pick_task("paint")
    assert bundle.name == "tiny-paint"
    assert "the only installed bundle that paints labels" in why
    assert pick_task("label-vae")[0].name == "tiny-label-vae"


def test_what_ships_goes_before_a_higher_version(make_heart: MakeHeart) -> None:
    import_bundle(make_heart("paint", at="a", name="other", version="3.0.0").folder)
    import_bundle(make_heart("paint", at="b", name="another", version="2.0.0").folder)
    assert pick_task("paint")[0].name == "other"
    import_bundle(make_heart("paint", at="c", name="heart-labels-to-mr", version="1.0.0").folder)
    bundle, why = pick_task("paint")
    assert bundle.name == "heart-labels-to-mr"
    assert why.endswith("was chosen: the program's own of 3 that could.")


def test_a_bundle_says_what_it_does_instead(make_heart: MakeHeart) -> None:
    card = make_heart("paint").card
    card.expect("paint")
    with pytest.raises(BundleError, match="'tiny-paint' paints labels; choose one that translates scans"):
        card.expect("translate")
    with pytest.raises(BundleError, match="its input is not an image"):
        _ = card.image_input
    with pytest.raises(BundleError, match="its output is not an image"):
        _ = make_heart("label-vae", at="other").card.image_output
    with pytest.raises(BundleError, match="its input is not labels"):
        _ = Card.from_data(card_data()).label_input
