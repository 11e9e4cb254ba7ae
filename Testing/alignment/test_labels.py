"""Alignment by labels: known affines, two persons, every way of storing, and what is refused."""

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.linalg import polar
from scipy.spatial.transform import Rotation

from SynthLogic.alignment import by_images, by_labels
from SynthLogic.errors import InputError
from SynthLogic.phantoms import make_heart
from SynthLogic.volume import Grid, Volume, resample

from .conftest import WHOLE_HEART, distances, heart_of, motion, stored_ways


def mean(dice):
    return float(np.mean(list(dice.values())))


def seen_by_another_scanner(image, labels, true, spacing=(3.5, 4.5, 7.0), angles=(25.0, 10.0, -40.0)):
    """What lies at T^-1 x, on an oblique anisotropic grid of its own."""
    wide = image.grid
    frame = motion(angles, shift=(0, 0, 0))
    matrix = np.eye(4)
    matrix[:3, :3] = frame[:3, :3] * np.asarray(spacing)
    shape = tuple(int(300 / s) for s in spacing[::-1])
    back = np.linalg.inv(true)
    centre = back[:3, :3] @ wide.centre + back[:3, 3]
    matrix[:3, 3] = centre - matrix[:3, :3] @ ((np.asarray(shape[::-1]) - 1) / 2)
    grid = Grid(shape, matrix)
    return (
        resample(image.under(back), grid, background=float(image.array.min())),
        resample(labels.under(back), grid, order=0),
    )


@pytest.mark.parametrize(
    ("kind", "stretch"),
    [("rigid", (1, 1, 1)), ("similarity", (0.85, 0.85, 0.85)), ("affine", (1.15, 0.9, 1.05))],
)
def test_a_known_map_is_found_across_grids_and_modalities(persons, kind, stretch):
    person, labels = persons[0], heart_of(persons[0].ct_labels)
    true = motion(stretch=stretch)
    moving, moving_labels = seen_by_another_scanner(person.ct, labels, true)
    found = by_labels(person.mr, labels, moving, moving_labels, transform=kind)
    assert found.transform == kind
    apart = distances(found.affine, true, labels)
    assert apart.mean() < 2.0
    assert apart.max() < 5.0  # one voxel
    turn, stretched = polar(found.affine[:3, :3] @ np.linalg.inv(true[:3, :3]))
    assert np.degrees(Rotation.from_matrix(turn).magnitude()) < 3
    np.testing.assert_allclose(stretched, np.eye(3), atol=0.05)
    assert mean(found.dice_after) > 0.75
    assert mean(found.dice_after) > mean(found.dice_before) + 0.5
    assert found.improved
    np.testing.assert_allclose(found.inverse @ found.affine, np.eye(4), atol=1e-9)


def test_the_heart_of_one_person_lies_on_that_of_another(persons):
    one, other = persons
    found = by_labels(other.mr, heart_of(other.ct_labels), one.ct, heart_of(one.ct_labels))
    assert mean(found.dice_before) < 0.2
    assert mean(found.dice_after) > 0.7
    assert set(found.dice_after) == set(WHOLE_HEART)
    assert all(found.dice_after[v] > found.dice_before[v] for v in WHOLE_HEART)
    assert found.moved.array.dtype == one.ct.array.dtype
    for volume in (found.moved, found.fixed, found.moved_labels, found.fixed_labels):
        assert volume.grid.is_close(other.mr.grid)
    more = by_labels(other.mr, heart_of(other.ct_labels), one.ct, heart_of(one.ct_labels), transform="rigid")
    assert mean(more.dice_after) < mean(found.dice_after)
    np.testing.assert_allclose(more.affine[:3, :3] @ more.affine[:3, :3].T, np.eye(3), atol=1e-9)


def test_neither_scan_shows_what_the_other_did_not_see(persons):
    one, other = persons
    # The moving scan ends some way below the top of the heart, and at the patient's left.
    cut = (slice(4, 40), slice(None), slice(16, 60))
    matrix = one.ct.ijk_to_ras.copy()
    matrix[:3, 3] = one.ct.grid.to_ras((16, 0, 4))
    moving = Volume(one.ct.array[cut], matrix)
    labels = Volume(heart_of(one.ct_labels).array[cut], matrix)
    found = by_labels(other.mr, heart_of(other.ct_labels), moving, labels, moving_background=-1024)
    places = np.indices(other.mr.shape).reshape(3, -1)[::-1].T
    ijk = moving.grid.to_ijk(other.mr.grid.to_ras(places) @ found.inverse[:3, :3].T + found.inverse[:3, 3])
    outside = ((ijk < -0.51) | (ijk > np.asarray(moving.shape[::-1]) - 0.49)).any(axis=1)
    outside = outside.reshape(other.mr.shape)
    assert 0.1 < outside.mean() < 0.9
    assert (found.moved.array[outside] == -1024).all()
    assert (found.fixed.array[outside] == other.mr.array.min()).all()
    assert not found.moved_labels.array[outside].any()
    assert not found.fixed_labels.array[outside].any()
    inner = ((ijk > 0) & (ijk < np.asarray(moving.shape[::-1]) - 1)).all(axis=1).reshape(other.mr.shape)
    np.testing.assert_array_equal(found.fixed.array[inner], other.mr.array[inner])
    assert other.mr.array[outside].max() > 0


def test_a_heart_that_is_cut_off_is_not_stretched_to_fill_the_other(persons):
    person = persons[0]
    labels = heart_of(person.ct_labels)
    true = motion((5, 5, 5), (1, 1, 1), (10, 0, 20))
    low, high = np.flatnonzero(labels.array.any(axis=(1, 2)))[[0, -1]]
    start, stop = (round(low + part * (high - low)) for part in (0.2, 0.55))
    matrix = np.linalg.inv(true) @ person.ct.ijk_to_ras
    matrix[:3, 3] = Volume(labels.array, matrix).grid.to_ras((0, 0, start))
    part = [Volume(v.array[start:stop], matrix) for v in (person.ct, labels)]
    found = by_labels(person.mr, labels, *part)
    stretch = np.linalg.svd(found.affine[:3, :3], compute_uv=False)
    assert stretch[-1] > 0.92
    assert stretch[0] < 1.08
    assert distances(found.affine, true, part[1].under(true)).max() < 5.0


@pytest.mark.parametrize("which", ["fixed", "moving", "labels"])
def test_the_way_of_storing_changes_nothing(persons, which):
    one, other = persons
    fixed, fixed_labels = other.mr, heart_of(other.ct_labels)
    moving, moving_labels = seen_by_another_scanner(one.ct, heart_of(one.ct_labels), motion())
    plain = by_labels(fixed, fixed_labels, moving, moving_labels, transform="similarity")
    for n, (image, labels) in enumerate(
        zip(
            stored_ways(fixed if which == "fixed" else moving),
            stored_ways(fixed_labels if which == "fixed" else moving_labels),
            strict=True,
        )
    ):
        if n not in (1, 4):
            continue
        if which == "fixed":
            found = by_labels(image, labels, moving, moving_labels, transform="similarity")
        else:
            source = moving if which == "labels" else image
            found = by_labels(fixed, fixed_labels, source, labels, transform="similarity")
        np.testing.assert_allclose(found.affine, plain.affine, atol=1e-6)
        assert found.dice_after == pytest.approx(plain.dice_after, abs=1e-3)
        one_way, _ = found.moved.canonical()
        other_way, _ = plain.moved.canonical()
        assert (one_way.array != other_way.array).mean() < 1e-3


def test_an_oblique_thick_heart_that_beats():
    heart, true = make_heart(3, 0), motion((10, -5, 25), shift=(20, 10, -15))
    back = np.linalg.inv(true)
    found = by_labels(heart.ed, heart.ed_labels, heart.es.under(back), heart.es_labels.under(back))
    assert found.transform == "similarity"  # LV cavity and myocardium have one centre
    assert "similarity" in found.notes[0]
    assert mean(found.dice_after) > 0.55
    assert mean(found.dice_after) > mean(found.dice_before) + 0.2
    turn, _ = polar(found.affine[:3, :3] @ back[:3, :3])
    assert np.degrees(Rotation.from_matrix(turn).magnitude()) < 10


def test_few_structures_take_freedoms_away(persons):
    one, other = persons
    arguments = (other.mr, heart_of(other.ct_labels), one.ct, heart_of(one.ct_labels))
    single = by_labels(*arguments, structures=[1])
    assert single.transform == "rigid"
    assert "one structure is too little" in single.notes[0]
    assert list(single.dice_after) == [1]
    assert single.dice_after[1] > max(0.5, single.dice_before[1] + 0.3)
    assert by_labels(*arguments, structures=[1, 4, 6]).transform == "similarity"
    assert by_labels(*arguments, structures=[1, 4, 6], transform="rigid").notes == ()


def test_cubic_is_as_aligned_as_linear_and_keeps_the_type(persons):
    one, other = persons
    arguments = (other.mr, heart_of(other.ct_labels), one.ct, heart_of(one.ct_labels))
    linear, cubic = (by_labels(*arguments, transform="rigid", order=order) for order in (1, 3))
    np.testing.assert_array_equal(linear.affine, cubic.affine)
    assert cubic.moved.array.dtype == np.int16
    a, b = linear.moved.array.astype(float), cubic.moved.array.astype(float)
    assert not np.array_equal(a, b)
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.99
    outside = linear.moved_labels.array != cubic.moved_labels.array
    assert not outside.any()


def test_the_sampled_image_is_what_itk_makes_of_the_affine(persons):
    from SynthLogic.alignment.transform_file import itk_transform
    from SynthLogic.volume.itk_image import image_from_volume

    one, other = persons
    arguments = (other.mr, heart_of(other.ct_labels), one.ct, heart_of(one.ct_labels))
    found = by_labels(*arguments, transform="rigid", moving_background=-1024)
    made = sitk.Resample(
        image_from_volume(one.ct),
        image_from_volume(other.mr),
        itk_transform(found.affine),
        sitk.sitkLinear,
        -1024.0,
    )
    inside = slice(4, -4)
    apart = np.abs(sitk.GetArrayFromImage(made)[inside] - found.moved.array[inside].astype(float))
    assert np.median(apart) <= 1
    assert (apart > 2).mean() < 0.01


def changed(labels, change):
    return labels.with_array(change(labels.array))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: np.where(a > 0, a + 100, 0), "share no structure"),
        (lambda a: np.zeros_like(a), "moving labels are empty"),
        (lambda a: a.astype(np.float32) / 3, "fractions"),
        (lambda a: -a.astype(np.int16), "number them from 1"),
        (lambda a: np.where(np.arange(48)[:, None, None] == 24, a, 0), "single slice"),
        (lambda a: (np.arange(a.size) == np.flatnonzero(a)[0]).reshape(a.shape).astype(np.uint8), "8 voxels"),
    ],
)
def test_labels_that_say_nothing_are_refused(persons, change, words):
    one, other = persons
    fixed_labels, moving_labels = (
        changed(heart_of(p.ct_labels), lambda a: a.clip(0, 5)) for p in (other, one)
    )
    with pytest.raises(InputError, match=words) as caught:
        by_labels(other.mr, fixed_labels, one.ct, changed(moving_labels, change))
    assert "\n" not in str(caught.value)


def test_mirrored_and_wrongly_scaled_scans_are_refused(persons):
    one, other = persons
    fixed, fixed_labels = other.mr, heart_of(other.ct_labels)
    labels = heart_of(one.ct_labels)
    mirror = np.diag([-1.0, 1, 1, 1])
    with pytest.raises(InputError, match="mirrored"):
        by_labels(fixed, fixed_labels, one.ct.under(mirror), labels.under(mirror))
    metres = np.diag([10.0, 10, 10, 1])
    with pytest.raises(InputError, match="scaled by"):
        by_labels(fixed, fixed_labels, one.ct.under(metres), labels.under(metres))


def test_labels_of_another_grid_are_refused(persons):
    one, other = persons
    labels = heart_of(one.ct_labels)
    with pytest.raises(InputError, match="moving labels are not on the grid"):
        by_labels(other.mr, heart_of(other.ct_labels), one.ct, labels.under(motion()))
    with pytest.raises(InputError, match="fixed labels are not on the grid"):
        by_labels(other.mr, Volume(labels.array[1:], labels.ijk_to_ras), one.ct, labels)
    with pytest.raises(InputError, match="does not fit"):
        by_labels(other.mr, heart_of(other.ct_labels), one.ct, labels, moving_background=1e6)


@pytest.mark.parametrize("kind", [np.int16, np.float32])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_a_background_is_a_number_that_the_image_can_hold(persons, kind, value):
    one, other = persons
    image = one.ct.with_array(one.ct.array.astype(kind))
    with pytest.raises(InputError, match=f"does not fit the moving image's voxels .{np.dtype(kind)}"):
        by_images(other.mr, image, moving_background=value)
