"""Names of parents and subjects."""

import re

import pytest

from SynthLogic.cohorts import Plan, name_all
from SynthLogic.cohorts.names import redactor_of
from SynthLogic.errors import ConfigError


def test_a_name_shows_parents_step_slices_style_and_seed() -> None:
    plan = [
        Plan(("x.nii.gz", "y"), step=(3, 8), style="styleA", seed=2),
        Plan(("x.nii.gz",), slices=32, style="Philips, warm"),
    ]
    assert name_all(plan).subjects == ("P001xP002_t03of08_styleA_s2", "P001_z32_Philips-warm")


def test_parents_are_numbered_as_they_come_and_hearts_of_one_patient_share_a_number() -> None:
    plan = [Plan(("z_ED", "b")), Plan(("a", "z_ES"))]
    names = name_all(plan, {"z_ED": "z", "z_ES": "z"})
    assert names.parents == {"z_ED": "P001a", "b": "P002", "a": "P003", "z_ES": "P001b"}


def test_a_scan_that_lends_a_style_takes_no_parent_s_number() -> None:
    plan = [Plan(("a",), style="scan1", style_parents=("lender",)), Plan(("b", "c"), style_parents=("b",))]
    assert name_all(plan).parents == {"a": "P001", "b": "P002", "c": "P003", "lender": "P004"}


def test_a_style_of_the_bundle_is_called_so_whoever_shares_its_name() -> None:
    plan = [Plan(("vendor-a", "b"), style="vendor-a")]
    assert name_all(plan).subjects == ("P001xP002_vendor-a",)


def test_subjects_of_one_name_are_told_apart_by_a_number() -> None:
    plan = [Plan(("a",), style="x", take=n) for n in (1, 2)]
    assert name_all(plan).subjects == ("P001_x_n1", "P001_x_n2")


def test_parents_keep_their_names_when_asked() -> None:
    names = name_all([Plan(("Müller 7", "B042"), step=(1, 2))], keep_parent_names=True)
    assert names.subjects == ("Muller-7xB042_t01of02",)


@pytest.mark.parametrize(
    ("plan", "keep"),
    [
        ([Plan(("a", "b"), style="x"), Plan(("a", "b"), style="x")], False),
        ([Plan(("a", "b"), style="x"), Plan(("a", "b"), style="X")], False),
        ([Plan(("a", "b"), style="x-1"), Plan(("a", "b"), style="x1")], False),
        ([Plan(("a-1",)), Plan(("A_1",), style="other")], True),
        ([Plan(("Ax", "B")), Plan(("A", "xB"))], True),
        ([Plan(("***",))], True),
        ([Plan(())], False),
        ([Plan(("a",), style="y" * 200)], False),
    ],
)
def test_names_that_files_cannot_tell_apart_are_refused(plan: list[Plan], keep: bool) -> None:
    with pytest.raises(ConfigError) as error:
        name_all(plan, keep_parent_names=keep)
    assert re.fullmatch(r"[^\n]+\.", str(error.value))


def test_a_style_called_after_a_scan_does_not_tell_whose_it_is() -> None:
    names = name_all([Plan(("anna.nii.gz", "bert"), style="as anna", style_parents=("anna.nii.gz",))])
    assert names.subjects == ("P001xP002_as-P001",)


def test_a_file_called_labels_does_not_take_the_word_out_of_records() -> None:
    redactor = redactor_of({"labels": "P001", "anna.nii.gz": "P002a"}, {"anna.nii.gz": "Anna K"})
    assert redactor.text("heart-labels-to-mr") == "heart-labels-to-mr"
    assert redactor.text("anna, ANNA.nii.gz and anna k") == "P002, P002a and P002"


@pytest.mark.parametrize("style", ["", "Siemens 1.5 T", "größer/../../etc", "a" * 40])
def test_names_are_safe_for_nnunet_and_every_file_system(style: str) -> None:
    (name,) = name_all([Plan(("p/q:r*.nii",), style=style, seed=3)]).subjects
    assert re.fullmatch(r"[A-Za-z0-9_-]+", name)
