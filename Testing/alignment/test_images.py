"""Alignment by mutual information: known motions, the same bits, and honesty where it fails."""

import numpy as np
import pytest

from SynthLogic.alignment import by_images
from SynthLogic.errors import InputError
from SynthLogic.volume import Volume

from .conftest import distances, heart_of, motion, stored_ways


@pytest.fixture(scope="module")
def moved(persons):
    """A CT that lies elsewhere than the MR of the same person, and where it belongs."""
    true = motion((8, -6, 12), shift=(20, -15, 30))
    return persons[0].ct.under(np.linalg.inv(true)), true


def test_a_known_motion_is_found_between_modalities_and_labels_go_along(persons, moved):
    person, (moving, true) = persons[0], moved
    labels = heart_of(person.ct_labels)
    found = by_images(person.mr, moving, moving_labels=Volume(labels.array, moving.ijk_to_ras))
    apart = distances(found.affine, true, labels)
    assert apart.max() < 2.5  # half a voxel
    assert found.improved
    assert found.nmi_after > found.nmi_before + 0.1
    assert found.notes == ()
    assert found.dice_after == {}
    both = (found.moved_labels.array > 0) & (labels.array > 0)
    assert 2 * both.sum() / ((found.moved_labels.array > 0).sum() + (labels.array > 0).sum()) > 0.9
    assert found.fixed_labels is None


def test_the_same_bits_every_time_and_however_it_is_stored(persons, moved):
    person, (moving, _) = persons[0], moved
    one = by_images(person.mr, moving, seed=3)
    stored = list(stored_ways(moving))[4]
    np.testing.assert_array_equal(one.affine, by_images(person.mr, stored, seed=3).affine)


def test_two_persons_get_nearer_with_an_affine(persons):
    one, other = persons
    found = by_images(other.mr, one.ct, transform="affine", order=3)
    assert found.nmi_after > found.nmi_before
    assert found.moved.grid.is_close(other.mr.grid)
    assert found.moved.array.dtype == one.ct.array.dtype


def test_what_does_not_help_is_left_alone_and_said(persons):
    person = persons[0]
    found = by_images(person.mr, person.ct)
    np.testing.assert_array_equal(found.affine, np.eye(4))
    assert not found.improved
    assert "did not raise" in found.notes[0]
    assert found.nmi_after == found.nmi_before


def test_images_that_say_nothing_are_refused(persons):
    person = persons[0]
    with pytest.raises(InputError, match="moving image shows nothing"):
        by_images(person.mr, person.ct.with_array(np.full_like(person.ct.array, 7)))
    with pytest.raises(InputError, match="fixed image has 3 voxels"):
        by_images(Volume(person.mr.array[:3], person.mr.ijk_to_ras), person.ct)
    with pytest.raises(InputError, match="moving labels are not on the grid"):
        by_images(person.mr, person.ct, moving_labels=person.ct_labels.under(motion()))
