import numpy as np
import pytest

from SynthLogic.errors import InputError
from SynthLogic.intensity import N4, Fitted, Percentiles, Pipeline, Window
from SynthLogic.intensity.n4 import _binned

PIPELINE = Pipeline(steps=[N4(shrink=2, iterations=(50, 50, 30)), Window(lower=0, upper=1000)])


def shaded(shape=(20, 40, 44)) -> tuple[np.ndarray, np.ndarray]:
    """A head of two tissues in air under a smooth coil bias, and where the first tissue is."""
    k, j, i = np.meshgrid(*[np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in shape], indexing="ij")
    radius = np.sqrt(k**2 + j**2 + i**2)
    image = np.where(radius < 0.8, 200.0, 0.0)
    image[np.hypot(j - 0.1, i + 0.2) < 0.35] *= 1.6
    noise = np.random.default_rng(0).normal(0, 3, shape)
    bias = np.exp(0.3 * i - 0.2 * j + 0.15 * k + 0.1 * i * j)
    return (np.abs(image * bias + noise)).astype(np.float32), (image == 200) & (radius < 0.7)


def variation(values: np.ndarray) -> float:
    return float(values.std() / values.mean())


@pytest.mark.parametrize("shape", [(20, 40, 44), (1, 128, 120), (3, 64, 60)])
def test_removes_a_smooth_bias_and_puts_it_back(make_volume, shape):
    values, tissue = shaded(shape)
    volume = make_volume(values, (1.2, 1.2, 2.5))
    unit, fitted = PIPELINE.forward(volume)
    corrected = PIPELINE.inverse(unit, fitted)
    np.testing.assert_allclose(corrected, values, atol=0.01)
    flat = (unit + 1) * 500
    assert variation(values[tissue]) > 0.1
    assert variation(flat[tissue]) < 0.3 * variation(values[tissue])
    assert 0.8 < flat[tissue].mean() / values[tissue].mean() < 1.25


def test_gives_the_same_bits_again(make_volume):
    volume = make_volume(shaded()[0])
    pipeline = Pipeline(steps=[N4(shrink=2, iterations=(6, 4)), Percentiles()])
    first, fitted = pipeline.forward(volume)
    np.testing.assert_array_equal(pipeline.forward(volume)[0], first)
    np.testing.assert_array_equal(pipeline.transform(volume, fitted), first)


def test_the_field_does_not_go_into_json(make_volume):
    pipeline = Pipeline(steps=[N4(iterations=(3,)), Percentiles()])
    unit, fitted = pipeline.forward(make_volume(shaded()[0]))
    assert "field" not in fitted.model_dump_json()
    without = Fitted.model_validate_json(fitted.model_dump_json())
    with pytest.raises(ValueError, match=r"fit the scan again|needs the grid"):
        pipeline.inverse(unit, without)


def test_images_it_cannot_work_on(make_volume):
    with pytest.raises(InputError, match="positive voxels"):
        PIPELINE.forward(make_volume(-np.arange(64.0).reshape(4, 4, 4) - 1))
    with pytest.raises(InputError, match="single line"):
        PIPELINE.forward(make_volume(np.arange(64.0).reshape(1, 1, 64)))


def test_binning_averages_blocks_and_what_is_left_at_the_border():
    values = np.arange(5 * 4 * 7, dtype=np.float32).reshape(5, 4, 7)
    binned = _binned(values, (2, 1, 3))
    assert binned.shape == (3, 4, 3)
    assert binned[0, 0, 0] == values[:2, 0, :3].mean()
    assert binned[2, 3, 2] == values[4, 3, 6]
