"""Figures of one subject against scikit-image, MONAI and transcriptions of the papers' formulas."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.metrics import normalized_mutual_information as skimage_nmi
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from SynthLogic.errors import ConfigError
from SynthLogic.review.measures import IMAGE_MEASURES, image_figures, label_figures
from SynthLogic.review.metrics import bias, mae, mutual_information, normalized_mutual_information, ssim_map
from SynthLogic.review.published import HIASA_WINDOWS, mae_255, psnr_255, psnr_peak, to_255
from SynthLogic.review.surfaces import average_surface_distance, hausdorff_95, surface_distances

IMAGES = arrays(np.float32, (3, 8, 8), elements=st.floats(-1000, 1000, width=32))
CT = HIASA_WINDOWS["CT"]


def pair(shape=(10, 20, 24), seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.normal(50, 120, shape).astype(np.float32)
    return truth + rng.normal(10, 30, shape).astype(np.float32), truth


def everywhere(array):
    return {"all": np.ones(array.shape, bool)}


def test_figures_are_those_of_scikit_image_and_of_the_papers_formulas():
    output, truth = pair()
    found = image_figures(output, truth, None, everywhere(truth), CT, bins=100)["all"]
    a, b = output.astype(float), truth.astype(float)
    spread = b.max() - b.min()
    assert found["mae"] == pytest.approx(np.abs(a - b).mean())
    assert found["bias"] == pytest.approx((a - b).mean())
    assert found["mse"] == pytest.approx(((a - b) ** 2).mean())
    assert found["psnr_peak"] == pytest.approx(peak_signal_noise_ratio(b, a, data_range=b.max()))
    scaled_a, scaled_b = (np.clip((x + 150) / 500, 0, 1) * 255 for x in (a, b))
    assert found["mae_255"] == pytest.approx(np.abs(scaled_a - scaled_b).mean(), rel=1e-5)
    assert found["psnr_255"] == pytest.approx(
        peak_signal_noise_ratio(scaled_b, scaled_a, data_range=255), rel=1e-5
    )
    local = structural_similarity(output, truth, data_range=spread, full=True)[1]
    assert found["ssim"] == pytest.approx(local.mean(), rel=1e-5)
    c1, c2 = (0.01 * spread) ** 2, (0.03 * spread) ** 2
    covariance = ((a - a.mean()) * (b - b.mean())).mean()
    expected = (2 * a.mean() * b.mean() + c1) * (2 * covariance + c2)
    expected /= (a.mean() ** 2 + b.mean() ** 2 + c1) * (a.var() + b.var() + c2)
    assert found["ssim_global"] == pytest.approx(expected)
    assert found["nmi"] == pytest.approx(skimage_nmi(a, b, bins=100) - 1, abs=1e-3)
    joint = np.histogram2d(a.ravel(), b.ravel(), bins=100)[0] / a.size
    outer = joint.sum(1, keepdims=True) * joint.sum(0)
    kept = joint > 0
    assert found["mi"] == pytest.approx((joint[kept] * np.log(joint[kept] / outer[kept])).sum(), rel=1e-3)
    assert found["mi_input"] is None


def test_an_identical_image_is_ideal():
    _, truth = pair()
    found = image_figures(truth, truth, truth, everywhere(truth), CT)["all"]
    assert found["mae"] == found["bias"] == found["mse"] == found["mae_255"] == 0
    assert found["psnr_peak"] == found["psnr_255"] == math.inf
    ideal = ("ssim", "ssim_global", "nmi", "nmi_input")
    assert [found[key] for key in ideal] == pytest.approx([1] * 4)
    assert set(found) == {measure.key for measure in IMAGE_MEASURES}


@given(IMAGES, IMAGES)
@settings(max_examples=30, deadline=None)
def test_errors_are_symmetric_and_bias_is_not(a, b):
    assert mae(a, b) == pytest.approx(mae(b, a))
    assert bias(a, b) == pytest.approx(-bias(b, a), abs=1e-9)
    assert abs(bias(a, b)) <= mae(a, b) + 1e-9
    assert 0 <= mae_255(a, b, CT) <= 255


@given(arrays(np.int16, (2, 6, 6), elements=st.integers(0, 7)), st.permutations(range(8)))
@settings(max_examples=30, deadline=None)
def test_mutual_information_does_not_see_an_invertible_mapping(image, order):
    other = np.arange(image.size).reshape(image.shape) % 5
    mapped = np.array(order)[image]
    ranges = ((-0.5, 7.5), (-0.5, 4.5))
    for measure in (mutual_information, normalized_mutual_information):
        plain = measure(image, other, bins=40, ranges=ranges)
        assert measure(mapped, other, bins=40, ranges=ranges) == pytest.approx(plain, abs=1e-9)


def test_the_papers_window_is_clipped_and_checked():
    np.testing.assert_allclose(to_255([-1000, -150, 100, 350, 3000], CT), [0, 0, 127.5, 255, 255])
    assert psnr_255(np.full(8, 100.0), np.full(8, 600.0), CT) == pytest.approx(20 * math.log10(255 / 127.5))
    with pytest.raises(ConfigError):
        to_255([1.0], (5, 5))


def test_the_peak_of_wang_is_the_truths_and_must_be_above_zero():
    assert psnr_peak([1.0, 3.0], [2.0, 4.0]) == pytest.approx(10 * math.log10(16))
    assert psnr_peak([1.0, 3.0], [2.0, 4.0], peak=8.0) == pytest.approx(10 * math.log10(64))
    assert math.isnan(psnr_peak([-1.0], [-2.0]))
    with pytest.raises(ConfigError):
        psnr_peak([1.0], [2.0], np.zeros(1, bool))


def test_regions_count_their_own_voxels_and_an_empty_one_says_nothing():
    output, truth = pair()
    half = np.zeros(truth.shape, bool)
    half[:5] = True
    found = image_figures(output, truth, None, {"all": half | ~half, "half": half, "none": half & ~half}, CT)
    assert found["half"]["mae"] == pytest.approx(np.abs(output[:5] - truth[:5]).mean(), rel=1e-5)
    spread = float(truth.max() - truth.min())
    assert found["half"]["ssim"] == pytest.approx(ssim_map(output, truth, data_range=spread)[:5].mean())
    assert set(found["none"].values()) == {None}
    nothing = image_figures(output, truth, None, {"none": half & ~half}, CT)
    assert set(nothing["none"].values()) == {None}


def test_windows_do_not_look_beyond_the_common_field_of_view():
    output, truth = pair()
    valid = np.zeros(truth.shape, bool)
    valid[:, :, :16] = True
    spoiled = np.where(valid, output, -1e4).astype(np.float32)
    both = [image_figures(x, truth, None, {"v": valid}, CT, valid=valid)["v"] for x in (output, spoiled)]
    assert both[0] == pytest.approx(both[1])


def test_a_thin_or_tiny_stack_has_figures_too():
    output, truth = pair((2, 12, 12))
    assert image_figures(output, truth, None, everywhere(truth), CT)["all"]["ssim"] is not None
    output, truth = pair((2, 5, 5))
    found = image_figures(output, truth, None, everywhere(truth), CT)["all"]
    assert found["ssim"] is None
    assert found["mae"] > 0


def balls(spacing, shift):
    k, j, i = np.ogrid[:24, :30, :36]
    s = spacing[::-1]

    def ball(at, radius):
        return ((k * s[0] - at[0]) ** 2 + (j * s[1] - at[1]) ** 2 + (i * s[2] - at[2]) ** 2) <= radius**2

    middle = np.array([12 * s[0], 15 * s[1], 18 * s[2]])
    return ball(middle, 14.0), ball(middle + shift, 12.0)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.2, 0.9, 3.0)])
def test_surface_distances_are_monais(spacing):
    torch = pytest.importorskip("torch")
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

    spacing = tuple(2.0 * s if s == 1 else s for s in spacing)
    a, b = balls(spacing, (2.0, -3.0, 1.5))
    x, y = (torch.as_tensor(m[None, None].astype(np.float32)) for m in (a, b))
    options = {"include_background": True, "spacing": list(spacing[::-1])}
    expected = compute_hausdorff_distance(x, y, percentile=95, **options).item()
    assert hausdorff_95(a, b, spacing) == pytest.approx(expected, rel=1e-5)
    expected = compute_average_surface_distance(x, y, symmetric=True, **options).item()
    assert average_surface_distance(a, b, spacing) == pytest.approx(expected, rel=1e-5)


def test_surfaces_of_shifted_boxes_lie_as_far_apart_as_they_were_shifted():
    a = np.zeros((6, 12, 12), bool)
    a[2:4, 2:6, 2:6] = True
    b = np.roll(a, 2, axis=0)
    assert hausdorff_95(a, b, (1.0, 1.0, 5.0)) == pytest.approx(10.0)
    assert average_surface_distance(a, a, (1.0, 1.0, 5.0)) == 0
    assert [d.size for d in surface_distances(a, a & False, (1, 1, 1))] == [0, 0]
    assert math.isnan(hausdorff_95(a, a & False, (1, 1, 1)))
    with pytest.raises(ConfigError):
        surface_distances(a, a[:3], (1, 1, 1))


def test_a_structure_that_is_missing_is_said_to_be():
    truth = np.zeros((4, 8, 8), np.uint8)
    truth[1:3, 2:5, 2:5] = 1
    output = np.where(truth == 1, 2, 0)
    found = label_figures(output, truth, (1, 2, 3), (1.0, 1.0, 1.0))
    assert found[1] == found[2] == {"dice": 0.0, "assd": None, "hd95": None}
    assert found[3] == {"dice": None, "assd": None, "hd95": None}
    assert label_figures(truth, truth, (1,), (1, 1, 1))[1] == {"dice": 1.0, "assd": 0.0, "hd95": 0.0}
