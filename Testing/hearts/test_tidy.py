"""Stray pixels are taken off, and nothing else."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from SynthLogic.hearts import HeartLabel, plausibility, without_islands

LV, MYO, RV = HeartLabel.LV_CAVITY, HeartLabel.MYOCARDIUM, HeartLabel.RV_CAVITY


def ring() -> np.ndarray:
    j, i = np.mgrid[:64, :64]
    away = np.hypot(j - 32, i - 30)
    labels = np.where(np.hypot(j - 32, i - 44) < 10, RV, 0)
    labels = np.where(away < 14, MYO, labels)
    return np.where(away < 9, LV, labels).astype(np.uint8)


def test_a_clean_heart_stays_as_it_is():
    stack = np.stack([ring(), np.zeros((64, 64), np.uint8), ring()])
    assert np.array_equal(without_islands(stack), stack)


def test_specks_go_and_the_ring_is_whole_again():
    stack = np.stack([ring(), ring()])
    stack[0, 2:4, 2:4] = RV
    stack[0, 60, 60] = LV
    stack[0, 31:33, 29:31] = MYO  # amid the cavity
    stack[1][stack[1] == RV] = 0
    stack[1, 32, 50:52] = RV  # what is left of a right ventricle near the apex
    before = stack.copy()
    tidy = without_islands(stack)
    assert np.array_equal(stack, before)
    assert np.array_equal(tidy[0], ring())
    assert not (tidy[1] == RV).any()
    assert plausibility(tidy).plausible.all()


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.uint8, (2, 12, 12), elements=st.integers(0, 3)))
def test_one_piece_a_structure_and_a_second_time_changes_nothing_more_than_pieces(labels):
    tidy = without_islands(labels)
    assert ((tidy == labels) | (tidy == 0) | (tidy == LV)).all()
    for plane in tidy:
        for label in (MYO, RV):
            assert ndimage.label(plane == label)[1] <= 1
