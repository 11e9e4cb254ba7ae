"""Descendants of a test patient stay out of training."""

import itertools

import pytest

from SynthLogic.cohorts import Plan, guard, name_all
from SynthLogic.errors import ConfigError

SPLITS = {"a": "train", "b": "train", "v": "val", "t": "test", "u": "test"}


def _splits(plan: list[Plan], splits: dict[str, str] = SPLITS, **more: object):
    return guard(plan, name_all(plan), splits, **more)


def test_only_parents_of_one_split_have_offspring_and_it_is_in_theirs() -> None:
    for parents in itertools.product(SPLITS, repeat=2):
        found = _splits([Plan(parents)])
        among = {SPLITS[p] for p in parents}
        assert found.splits == ((among.pop(),) if len(among) == 1 else (None,))
        assert len(found.left_out) == (found.splits == (None,))


def test_what_is_left_out_is_listed_with_its_reason_and_without_names() -> None:
    found = _splits([Plan(("a", "t"))])
    assert found.left_out[0].name == "P001xP002"
    assert "P001 is in train, P002 is in test" in found.left_out[0].reason


def test_a_style_from_a_test_patient_counts() -> None:
    assert _splits([Plan(("a", "b"), style_parents=("t",))]).splits == (None,)


def test_both_phases_of_a_patient_are_where_the_patient_is() -> None:
    plan = [Plan(("a_ED", "t_ES"))]
    patients = {"a_ED": "a", "t_ES": "t"}
    assert _splits(plan, patients=patients).splits == (None,)
    # One phase alone is enough to know the other by.
    plan = [Plan(("q_ED", "a")), Plan(("q_ES", "t"))]
    patients = {"q_ED": "q", "q_ES": "q"}
    assert _splits(plan, {"q_ED": "test", "a": "train", "t": "test"}, patients=patients).splits == (
        None,
        "test",
    )


def test_a_patient_in_two_splits_is_refused() -> None:
    with pytest.raises(ConfigError, match="one split"):
        _splits(
            [Plan(("q1", "a"))], {"q1": "train", "q2": "test", "a": "train"}, patients={"q1": "q", "q2": "q"}
        )


def test_hearts_of_a_patient_that_are_not_exported_count() -> None:
    splits = {"q_ED": "train", "q_ES": "test", "a": "train"}
    with pytest.raises(ConfigError, match="'q' is in train and in test"):
        _splits([Plan(("q_ED", "a"))], splits, patients={"q_ED": "q", "q_ES": "q"})


def test_a_style_lent_by_a_patient_is_where_the_patient_is() -> None:
    plan = [Plan(("a", "b"), style_parents=("q",))]
    assert _splits(plan, SPLITS | {"q_ED": "test"}, patients={"q_ED": "q"}).splits == (None,)


def test_one_label_map_under_two_names_is_in_one_split() -> None:
    plan = [Plan(("a", "b")), Plan(("t", "u"))]
    with pytest.raises(ConfigError, match="'b' in train and 't' in test are the same label map"):
        _splits(plan, contents={"a": "1", "b": "2", "t": "2", "u": "3"})
    assert _splits(plan, contents={"a": "1", "b": "1", "t": "2", "u": "3"}).splits == ("train", "test")


def test_an_unknown_parent_is_refused_unless_the_user_says_where_it_belongs() -> None:
    with pytest.raises(ConfigError, match=r"\bw\b.*split"):
        _splits([Plan(("a", "w"))])
    assert _splits([Plan(("a", "w"))], unknown_split="train").splits == ("train",)
    assert _splits([Plan(("t", "w"))], unknown_split="train").splits == (None,)


def test_a_split_of_another_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="train, val or test"):
        _splits([Plan(("a",))], {"a": "training"})
