"""What can be a label and what cannot."""

import numpy as np
import pytest

from SynthLogic.volume import MOST_LABEL, label_fault


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.float32, np.float64])
def test_whole_numbers_up_to_the_largest_are_labels(kind):
    assert label_fault(np.array([[0, 7], [MOST_LABEL, 1]], kind)) is None


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ([0.0, 0.5], "fractions"),
        ([0.0, np.nan], "fractions"),
        ([-0.5, 300.0], "fractions"),
        ([1j, 0], "fractions"),
        ([0.0, np.inf], "range"),
        ([-np.inf, 0.0], "range"),
        ([-1, 3], "range"),
        ([0, 256], "range"),
        ([-1024.0, 3071.0], "range"),
        ([False, True], None),
        ([], None),
    ],
)
def test_what_is_no_label_has_a_name(values, fault):
    assert label_fault(np.array(values)) == fault


def test_the_largest_may_be_another():
    assert label_fault(np.array([0, 2035]), 65_535) is None
    assert label_fault(np.array([0, 65_536]), 65_535) == "range"
