"""What is said of a label map before anything is made from it."""

import numpy as np
import pytest

from SynthLogic.errors import InputError
from SynthLogic.jobs import CohortRequest, InterpolateRequest, heart_of
from SynthLogic.volume import Volume


def codes(heart, forced=None):
    return {f.code for f in heart.findings if forced is None or f.needs_force is forced}


def scaled(volume, factor):
    matrix = volume.ijk_to_ras.copy()
    matrix[:3, :3] *= factor
    return Volume(volume.array, matrix)


@pytest.fixture
def liver(hearts):
    """A lump of 1.5 l with one value."""
    k, j, i = np.indices((16, 100, 100)) - np.array([7.5, 49.5, 49.5])[:, None, None, None]
    lump = np.hypot(np.hypot(i * 1.5 / 85, j * 1.5 / 75), k * 10 / 60) < 1
    return Volume(lump.astype(np.uint8), np.diag([1.5, 1.5, 10.0, 1.0]))


def test_labels_that_vanish_are_too_small(scan_of, hearts):
    with pytest.raises(InputError, match=r"LV cavity and LV myo.* RV cavity is too small to be seen"):
        heart_of(scan_of(scaled(hearts.heart_labels(), 0.001)))


@pytest.mark.parametrize("cubic", [False, True])
def test_a_heart_of_a_tenth_of_a_millilitre_needs_force(scan_of, hearts, cubic):
    made = hearts.heart_labels(54, slice_mm=1.5, pixel_mm=1.5) if cubic else hearts.heart_labels()
    tiny = heart_of(scan_of(scaled(made, 0.1)))
    assert "volume" in codes(tiny, forced=True)
    with pytest.raises(InputError, match=r"measures 0\.\d+ ml, and no heart's less than 1;.*spacing.*--f"):
        tiny.raise_if_stopped(force=False)
    tiny.raise_if_stopped(force=True)


def test_a_liver_needs_force(scan_of, liver):
    with pytest.raises(
        InputError, match=r"measures 1\d{3}.* ml, and no heart's more than 1000;.*which value"
    ):
        heart_of(scan_of(liver)).raise_if_stopped(force=False)


@pytest.mark.parametrize(
    "size",
    [
        # A newborn at end systole, a dilated heart, one slice and three near the apex.
        {"slices": 5, "radius": 5.5, "wall": 3.0, "slice_mm": 4.0, "pixel_mm": 0.8},
        {"slices": 11, "radius": 48.0, "wall": 7.0, "size": 120, "slice_mm": 10.0},
        {"slices": 1},
        {"slices": 3, "radius": 3.0, "wall": 5.0},
    ],
)
def test_real_sizes_pass(scan_of, hearts, size):
    heart = heart_of(scan_of(hearts.heart_labels(**size)))
    assert not codes(heart, forced=True)


def test_slices_along_the_heart_need_force(scan_of, hearts):
    stack = hearts.heart_labels(54, 72, slice_mm=1.5, empty=20, oblique=False)
    # Every fifth slice of another axis: 7.5 mm apart, along the heart.
    along = Volume(np.ascontiguousarray(stack.array[:, ::5]), stack.ijk_to_ras @ np.diag([1, 5, 1, 1]))
    heart = heart_of(scan_of(along))
    assert "tilt" in codes(heart, forced=True)
    with pytest.raises(InputError, match=r"do not lie across the heart .* degrees .*short-axis.*--force"):
        heart.raise_if_stopped(force=False)
    assert "tilt" not in codes(heart_of(scan_of(hearts.heart_labels())))


def test_a_labelled_wall_of_the_right_ventricle_is_said_and_goes_on(scan_of, hearts):
    stack = hearts.heart_labels()
    j, i = (np.mgrid[:72, :72] - 35.5) * 1.5
    walled = stack.array.copy()
    for plane in walled:
        right = plane == 3
        if right.any():
            middle, reach = i[right].mean(), np.ptp(i[right]) / 2 + 16
            plane[(np.hypot(i - middle, j) < reach) & (plane == 0)] = 2
    heart = heart_of(scan_of(stack.with_array(walled)))
    assert "rv-wall" in codes(heart, forced=False)
    assert "rv-wall" not in codes(heart_of(scan_of(stack)))
    # Where the two ventricles are exchanged, that is what is said.
    exchanged = stack.with_array(np.array([0, 3, 2, 1], np.uint8)[stack.array])
    assert codes(heart_of(scan_of(exchanged))) == {"nesting"}


def test_values_that_are_no_whole_numbers(scan_of, hearts):
    stack = hearts.heart_labels()
    with pytest.raises(InputError, match=r"Values such as 0\.5, 1\.5 are no whole numbers.*save.*integers"):
        heart_of(scan_of(stack.with_array(stack.array.astype(np.float32) / 2)))
    with pytest.raises(InputError, match="different values, so this is an image"):
        heart_of(scan_of(hearts.heart_image(stack)))


@pytest.mark.parametrize("kind", [InterpolateRequest, CohortRequest])
def test_one_slice_alone_would_be_the_apex(kind):
    fields = {"layout": "plain"} if kind is CohortRequest else {}
    assert kind(slices=2, **fields).slices == 2
    with pytest.raises(ValueError, match="slices"):
        kind(slices=1, **fields)
