import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from SynthLogic.errors import ConfigError
from SynthLogic.review import (
    STRUCTURES,
    Structure,
    dice,
    mae,
    mse,
    mutual_information,
    normalized_mutual_information,
    psnr,
    ssim,
    ssim_global,
    structure_dice,
)

VALUES = st.floats(-1000, 1000, width=32)
IMAGES = arrays(np.float32, (3, 8, 8), elements=VALUES)


def image(seed=0, shape=(9, 16, 16)):
    return np.random.default_rng(seed).normal(0, 100, shape).astype(np.float32)


def test_errors_inside_a_mask_ignore_what_lies_outside():
    reference = np.zeros((2, 4, 4), np.float32)
    output = reference.copy()
    output[0] = 3.0
    output[1] = -900.0
    mask = np.zeros(reference.shape, bool)
    mask[0] = True
    assert mae(output, reference, mask) == 3.0
    assert mse(output, reference, mask) == 9.0
    assert mae(output, reference) == pytest.approx((3 + 900) / 2)


def test_unsigned_images_are_subtracted_as_numbers():
    assert mae(np.zeros((1, 2, 2), np.uint8), np.full((1, 2, 2), 3, np.uint8)) == 3.0


def test_psnr_is_the_published_formula():
    reference, output = np.zeros((2, 8, 8)), np.full((2, 8, 8), 5.0)
    assert psnr(output, reference, data_range=255) == pytest.approx(20 * math.log10(255 / 5))
    assert psnr(reference, reference, data_range=255) == math.inf


@given(IMAGES, IMAGES)
@settings(max_examples=40, deadline=None)
def test_mae_is_a_distance_and_never_above_the_root_of_mse(a, b):
    assert mae(a, b) == pytest.approx(mae(b, a))
    assert mae(a, b) <= math.sqrt(mse(a, b)) * (1 + 1e-6) + 1e-6
    assert mae(a, a) == 0


def test_ssim_is_one_for_equal_images_and_falls_with_noise():
    a = image()
    little, much = a + 0.1 * image(1), a + image(1)
    values = [ssim(x, a, data_range=600) for x in (a, little, much)]
    assert values[0] == pytest.approx(1)
    assert values[0] > values[1] > values[2]


def test_ssim_agrees_with_scikit_image_in_3d_and_slice_by_slice():
    skimage = pytest.importorskip("skimage.metrics")
    a, b = image(), image() + image(1)
    expected = skimage.structural_similarity(a, b, data_range=600, full=True)[1].mean()
    assert ssim(a, b, data_range=600) == pytest.approx(expected, rel=1e-6)
    slices = [
        skimage.structural_similarity(x, y, data_range=600, full=True)[1].mean()
        for x, y in zip(a, b, strict=True)
    ]
    assert ssim(a, b, data_range=600, slicewise=True) == pytest.approx(np.mean(slices), rel=1e-6)


def test_ssim_of_a_thin_stack_is_taken_slice_by_slice():
    a, b = image(shape=(3, 16, 16)), image(1, (3, 16, 16))
    assert ssim(a, b, data_range=600) == ssim(a, b, data_range=600, slicewise=True)
    assert ssim(a[0], b[0], data_range=600) == pytest.approx(ssim(a[:1], b[:1], data_range=600))


def test_ssim_inside_a_mask_sees_only_the_mask():
    a = image(shape=(12, 24, 24))
    b = a.copy()
    b[:, :, 12:] += 500
    mask = np.zeros(a.shape, bool)
    mask[:, :, :8] = True
    assert ssim(b, a, data_range=600, mask=mask) == pytest.approx(1)
    assert ssim(b, a, data_range=600) < 0.95


def test_global_ssim_cannot_see_structure():
    a = image(shape=(9, 32, 32))
    mirrored = np.flip(np.sort(a.ravel())).reshape(a.shape)
    assert ssim_global(a, a, data_range=600) == pytest.approx(1)
    constant = np.full_like(a, a.mean())
    c1, c2 = 6.0**2, 18.0**2
    mean, variance = a.mean(dtype=float), a.var(dtype=float)
    expected = (2 * mean**2 + c1) / (2 * mean**2 + c1) * c2 / (variance + c2)
    assert ssim_global(a, constant, data_range=600) == pytest.approx(expected, rel=1e-4)
    assert ssim_global(a, mirrored, data_range=600) < 0.5


def test_dice_counts_overlap_and_says_nothing_about_nothing():
    a, b = np.zeros((1, 4, 4), bool), np.zeros((1, 4, 4), bool)
    assert math.isnan(dice(a, b))
    a[0, 0], b[0, 0, :2] = True, True
    assert dice(a, b) == pytest.approx(2 * 2 / (4 + 2))
    assert dice(a, ~a) == 0
    mask = np.zeros_like(a)
    mask[0, 0, :2] = True
    assert dice(a, b, mask) == 1


@given(IMAGES, IMAGES)
@settings(max_examples=40, deadline=None)
def test_mutual_information_obeys_its_laws(a, b):
    information = mutual_information(a, b)
    own = mutual_information(a, a)
    assert -1e-9 <= information <= min(own, mutual_information(b, b)) + 1e-9
    assert information == pytest.approx(mutual_information(b, a), abs=1e-9)
    assert 0 <= normalized_mutual_information(a, b) <= 1


def test_mutual_information_in_nats_of_two_equally_likely_values_is_log_two():
    a = np.indices((2, 4, 4)).sum(0) % 2
    assert mutual_information(a, a) == pytest.approx(math.log(2))
    assert mutual_information(a, 7 - 3 * a) == pytest.approx(math.log(2))
    assert normalized_mutual_information(a, -a) == pytest.approx(1)
    assert normalized_mutual_information(a, np.zeros_like(a)) == 0
    assert normalized_mutual_information(a * 0, a * 0) == 0


def test_ranges_keep_one_outlier_from_crushing_the_histogram():
    a = image()
    spoiled = a.copy()
    spoiled[0, 0, 0] = 1e6
    limits = (-300.0, 300.0)
    assert mutual_information(spoiled, a) < 0.1
    assert mutual_information(spoiled, a, ranges=(limits, limits)) > 2


@pytest.mark.parametrize(
    "call",
    [
        lambda a: mae(a, a[:1]),
        lambda a: mae(a, a, np.ones((1, 1, 1), bool)),
        lambda a: mae(a, a, np.zeros(a.shape, bool)),
        lambda a: psnr(a, a, data_range=0),
        lambda a: ssim(a[:, :4], a[:, :4], data_range=1),
        lambda a: structure_dice(a, a, None, "PET"),
    ],
)
def test_what_cannot_be_compared_is_said_plainly(call):
    with pytest.raises(ConfigError) as caught:
        call(image())
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_structures_are_told_apart_inside_the_body():
    reference = np.full((1, 8, 8), -1000.0)
    body = np.zeros(reference.shape, bool)
    body[0, 1:7] = True
    reference[0, 1:3], reference[0, 3:5], reference[0, 5:7] = -800, 300, 900
    output = reference.copy()
    output[0, 5, :4] = 40
    found = structure_dice(output, reference, body, "CT")
    assert list(found) == [s.name for s in STRUCTURES["CT"]]
    assert found["lung"] == 1
    assert found["blood pool"] == 1
    assert found["bone"] == pytest.approx(2 * 12 / (12 + 16))
    assert math.isnan(structure_dice(reference, reference, body, "CT", [Structure("metal", 2500)])["metal"])
