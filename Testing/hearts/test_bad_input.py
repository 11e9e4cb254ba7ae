"""Hearts that cannot be brought into the frame: one sentence each, that says what to do."""

from __future__ import annotations

import numpy as np
import pytest

from SynthLogic.errors import InputError
from SynthLogic.hearts import dice, to_short_axis
from SynthLogic.volume import Volume

from .conftest import heart_stack


def with_array(stack, change):
    array = stack.array.copy()
    change(array)
    return stack.with_array(array)


def blank_slices(array):
    array[4:7] = 0


def only_one(array):
    array[:5], array[6:] = 0, 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: heart_stack().with_array(np.zeros((11, 150, 140), np.uint8)), "is empty"),
        (
            lambda: with_array(heart_stack(), lambda a: a.__setitem__((2, 3, 4), 7)),
            "values 7; expected are 0",
        ),
        (lambda: heart_stack().with_array(np.full((11, 150, 140), 0.5)), "values 0.5; expected"),
        (
            lambda: with_array(heart_stack(), blank_slices),
            "3 slices amid the heart have no label (a gap of 40 mm)",
        ),
        (
            lambda: Volume(np.eye(9, dtype=np.uint8)[None].repeat(2, 0), np.diag([0.3, 0.3, 0.3, 1])),
            "too small to be seen",
        ),
        (
            lambda: Volume(heart_stack().array, heart_stack().ijk_to_ras @ np.diag([1e-3, 1e-3, 1e-3, 1])),
            "labelled LV cavity and LV myocardium and RV cavity is too small",
        ),
        (
            lambda: with_array(heart_stack(rv=False, pixel=0.5), lambda a: a.__setitem__((6, 75, 90), 3)),
            "labelled RV cavity is too small to be seen",
        ),
        (lambda: heart_stack(slice_mm=30.0), "30.0 mm apart, more than 25 mm"),
        (
            lambda: Volume(np.ones((301, 9, 9), np.uint8), np.diag([1, 1, 8.0, 1])),
            "301 slices, more than 300",
        ),
        (
            lambda: Volume(np.ones((60, 9, 9), np.uint8), np.diag([1, 1, 8.0, 1])),
            "over 472 mm from apex to base",
        ),
        (
            lambda: heart_stack(pixel=4.5, radius=90.0, shape=(9, 90, 90)),
            "mm across its axis, more than the 192 mm",
        ),
    ],
)
def test_bad_input_is_one_sentence(make, words):
    with pytest.raises(InputError) as failure:
        to_short_axis(make())
    assert words in str(failure.value)
    assert str(failure.value).count(". ") == 0


def test_one_slice_is_enough_to_paint_and_too_few_to_interpolate():
    stack = with_array(heart_stack(), only_one)
    assert to_short_axis(stack).labels.shape == (1, 128, 128)
    with pytest.raises(InputError, match=r"Only 1 slice of the heart has labels, at least 2 are needed"):
        to_short_axis(stack, min_slices=2)
    single = Volume(stack.array[5:6], stack.ijk_to_ras)
    heart = to_short_axis(single)
    assert dice(heart.restore(heart.labels).array, single.array)[1] > 0.97


def test_an_edit_that_leaves_the_frame_says_so():
    stack = heart_stack(shape=(9, 200, 200))
    before = to_short_axis(stack)
    with pytest.raises(InputError, match="mm out of the 192 mm"):
        to_short_axis(with_array(stack, lambda a: a.__setitem__((4, 2, 2), 2)), like=before)
    with pytest.raises(InputError, match="no longer lie as before"):
        to_short_axis(heart_stack(seed=7), like=before)


def test_wrong_calls():
    heart = to_short_axis(heart_stack())
    with pytest.raises(ValueError, match="slices is 'some'"):
        to_short_axis(heart_stack(), slices="some")
    with pytest.raises(ValueError, match="the frame has"):
        heart.restore(heart.labels[1:])
    with pytest.raises(ValueError, match="the frame has"):
        heart.with_labels(heart.labels[1:])
    changed = heart.with_labels(np.zeros(heart.labels.shape, int))
    assert changed.labels.dtype == np.uint8
