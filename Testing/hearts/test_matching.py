"""Which segment or value is which structure."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from SynthLogic.benchmarks.geometry import stored_variants
from SynthLogic.errors import InputError
from SynthLogic.hearts import (
    STRUCTURES,
    HeartLabel,
    NamedSegment,
    checked_labels,
    match,
    match_values,
    nesting_problem,
    parse_values,
)
from SynthLogic.hearts.names import by_name

from .conftest import heart_stack

LV, MYO, RV = HeartLabel.LV_CAVITY, HeartLabel.MYOCARDIUM, HeartLabel.RV_CAVITY
NAMES = {
    LV: "LV|LVC|LV_cavity|lv blood pool|left ventricle|Left Ventricle Cavity|LVBP|heart_ventricle_left|"
    "left heart ventricle|LeftVentricle|LV endo|LV blood cavity|Ventricle, left|ventricle_l|lvcav|LVendo",
    MYO: "Myo|MYO|LVM|LV Myocardium|myocardium|heart_myocardium|LVMyo|left ventricular wall|LV wall|"
    "LV normal myocardium|Myocard|Myocardium of Left Ventricle|MyoLV",
    RV: "RV|rvc|RV cavity|right ventricle|heart_ventricle_right|RVBP|RV blood pool|RightVentricle|RV_endo",
    None: "|Segment_1|liver|left atrium|heart_atrium_left|LA|RA|aorta|pulmonary_artery|RV wall|RV myocardium|"
    "RVM|lateral ventricle left|LV epicardium|LVOT|left ventricular outflow tract|heart|blood|left kidney|"
    "left and right ventricle|epicardial fat|LV thrombus|RV scar|coronary artery left",
}
CASES = [(name, label) for label, names in NAMES.items() for name in names.split("|")]


@pytest.mark.parametrize(("name", "label"), CASES)
def test_names(name, label):
    assert by_name(name) == (label, False)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("papillary muscles", LV),
        ("LV papillary", LV),
        ("RV trabeculae", RV),
        ("scar", MYO),
        ("LV infarct", MYO),
    ]
    + [("LV myocardial edema", MYO), ("interventricular septum", MYO)],
)
def test_parts_are_merged(name, label):
    assert by_name(name) == (label, True)


@given(
    case=st.sampled_from(CASES),
    upper=st.booleans(),
    around=st.sampled_from(["{}", "{}_1", "03 {}", "({})", "{}.nii", "{} (edited)", "seg-{}"]),
    gap=st.sampled_from([" ", "_", "-", "  "]),
)
def test_case_punctuation_and_numbers_do_not_matter(case, upper, around, gap):
    name, label = case
    spaced = name if name in ("LeftVentricle", "RightVentricle", "MyoLV") else name.replace("_", " ")
    decorated = around.format(spaced.replace(" ", gap))
    if upper and spaced not in ("LeftVentricle", "RightVentricle", "MyoLV"):
        decorated = decorated.upper()
    assert by_name(decorated)[0] == label


@pytest.mark.parametrize(
    ("codes", "name", "label"),
    [
        (("87878005",), "blob", LV),
        (("53085002",), "blob", RV),
        (("74281007",), "LV", MYO),
        (("T-32600",), "", LV),
        (("T-32500", ""), "", RV),
        (("21814001", "7771000"), "x", LV),
        (("21814001", "24028007"), "x", RV),
        (("21814001", "51440002"), "x", None),
        (("85756007", "", "87878005"), "x", LV),
        (("85756007", "", "21814001", "24028007"), "x", RV),
        (("71616004", "", "87878005"), "x", MYO),
        (("71616004", "", "53085002"), "RV", None),
        (("74281007", "", "53085002"), "x", None),
        (("85756007", "", "74281007"), "x", MYO),
        # As Slicer codes every new segment: says nothing, so the name counts.
        (("85756007", "", "", ""), "RV", RV),
        (("10200004",), "LV", LV),
        # No list of Slicer's has a left ventricle's wall: people take the left ventricle and name it.
        (("87878005",), "LV myocardium", MYO),
        (("589001",), "x", MYO),
        ((), "Myo", MYO),
        (None, "Myo", MYO),
    ],
)
def test_terminology_comes_first(codes, name, label):
    found = match([NamedSegment(4, name, codes)])
    assert found.labels == {4: label}
    assert bool(found.reasons[4]) == (label is not None)


def segments(*names):
    return [NamedSegment(n + 1, name) for n, name in enumerate(names)]


def test_a_matching_turns_values_into_labels():
    found = match(segments("RV", "aorta", "LV", "Myo", "scar", "papillary")).check((LV, MYO, RV))
    assert found.structures == (LV, MYO, RV)
    assert found.merged == {5, 6}
    array = np.array([[0, 1, 2, 3], [4, 5, 6, 7]], np.int16)
    assert found.apply(array).tolist() == [[0, 3, 0, 1], [2, 2, 1, 0]]
    assert found.apply(array).dtype == np.uint8


def test_corrections_override():
    found = match(segments("LV", "Segment_2", "LV old"), {2: MYO, 3: None}).check((LV, MYO))
    assert found.labels == {1: LV, 2: MYO, 3: None}
    assert found.reasons == {1: "name", 2: "correction", 3: ""}
    both = match(segments("LV", "lump"), {2: LV})
    assert both.problem() is None
    assert both.apply(np.array([1, 2])).tolist() == [1, 1]
    with pytest.raises(InputError, match="no segment with the value 9; there are 'LV'"):
        match(segments("LV"), {9: MYO})


@pytest.mark.parametrize(
    ("names", "required", "words"),
    [
        ((), (LV,), "There are no segments; draw them first: LV cavity, LV myocardium and RV cavity."),
        (
            ("liver", "spleen"),
            (LV, MYO),
            "No segment is the LV cavity and LV myocardium: found 'liver' and 'spleen', expected LV cavity, "
            "LV myocardium and RV cavity; choose what each one is.",
        ),
        (
            ("LV", "left ventricle"),
            (LV,),
            "'LV' and 'left ventricle' would both be the LV cavity; choose which",
        ),
        (("",), (LV,), "found value 1"),
    ],
)
def test_problems_are_one_sentence(names, required, words):
    found = match(segments(*names))
    assert words in found.problem(required)
    with pytest.raises(InputError) as failure:
        found.check(required)
    assert str(failure.value) == found.problem(required)


def test_conventions():
    assert match_values([0, 1, 2, 3]).labels == {1: LV, 2: MYO, 3: RV}
    assert match_values([3, 1], "ACDC").labels == {1: RV, 3: LV}
    assert match_values([0, 5, 7, 9], "5=lv, 7 = Myo; 9=0").labels == {5: LV, 7: MYO, 9: None}
    assert parse_values("1=RV blood pool,2=none") == {1: RV, 2: None}
    assert match_values([0]).problem().startswith("There are no segments")
    with pytest.raises(
        InputError, match=r"values 4, 600, and expected are only 1 LV cavity, 2 LV myo.*600=0|4=0"
    ):
        match_values([1, 4, 600])
    for text in ("brats", "1=lv,1=rv", "lv=1", "1=", "1=lung", ""):
        with pytest.raises(InputError, match="give mms or acdc, or each value once"):
            match_values([1], text)


@given(st.permutations([LV, MYO, RV]))
def test_every_order_of_values_can_be_written_down(order):
    text = ",".join(f"{n + 1}={STRUCTURES[label].name}" for n, label in enumerate(order))
    assert parse_values(text) == dict(zip((1, 2, 3), order, strict=True))


def test_a_cavity_outside_its_wall_is_noticed_in_all_storages():
    stack = heart_stack(shape=(8, 90, 90), length=60.0, radius=18.0)
    exchanged = stack.with_array(match_values([1, 2, 3], "acdc").apply(stack.array))
    wrong = stack.with_array(parse_and_apply("1=myo,2=rv,3=lv", stack.array))
    for right, swapped, other in list(
        zip(*(stored_variants(v) for v in (stack, exchanged, wrong)), strict=True)
    )[::7]:
        assert nesting_problem(right) is None
        assert "exchanged, as in ACDC's values" in nesting_problem(swapped)
        assert "of the LV cavity's surface touches myocardium" in nesting_problem(other)
    for label in (LV, MYO):
        alone = stack.with_array(np.where(stack.array == label, stack.array, 0))
        assert nesting_problem(alone) is None


def parse_and_apply(text, array):
    return match_values([1, 2, 3], text).apply(array)


def test_names_need_neither_torch_nor_scipy():
    code = "import sys, SynthLogic.hearts; print(sorted({'torch', 'scipy', 'pydantic'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_labels_are_checked_and_named():
    assert set(STRUCTURES) == {LV, MYO, RV}
    assert len({structure.colour for structure in STRUCTURES.values()}) == 3
    for label, structure in STRUCTURES.items():
        coded = match([NamedSegment(1, "", (structure.type[1],))])
        assert coded.labels[1] == by_name(structure.name)[0] == label
    same = np.zeros((2, 2, 2), np.uint8)
    assert checked_labels(same) is same
    assert checked_labels(np.array([[0.0, 3.0]])).dtype == np.uint8
    for bad in (np.array([-1, 2]), np.array([np.nan]), np.arange(20), np.array([1.5])):
        with pytest.raises(
            InputError, match="expected are 0 background, 1 LV cavity, 2 LV myocardium, 3 RV cav"
        ):
            checked_labels(bad)
