import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from SynthLogic.data import corruption as c

ALL = (c.Gain(), c.Gamma(), c.BiasField(), c.Blur(), c.GaussianNoise(), c.RicianNoise())


def image(seed: int = 0, size: int = 32) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (size, size)).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), which=st.sets(st.sampled_from(range(len(ALL))), min_size=1))
def test_range_type_and_replay(seed: int, which: set[int]) -> None:
    steps = tuple(ALL[n].model_copy(update={"probability": 1.0}) for n in sorted(which))
    start = image(seed)
    kept = start.copy()
    drawn = c.draw(steps, np.random.default_rng(seed))
    once = c.corrupt(start, steps, drawn)
    again = c.corrupt(start, steps, json.loads(json.dumps(drawn)))
    assert once.dtype == np.float32
    assert once.shape == start.shape
    assert once.min() >= -1
    assert once.max() <= 1
    assert not np.array_equal(once, start)
    np.testing.assert_array_equal(once, again)
    np.testing.assert_array_equal(start, kept)


def test_probability_zero_changes_nothing() -> None:
    steps = tuple(step.model_copy(update={"probability": 0.0}) for step in ALL)
    start = image()
    np.testing.assert_array_equal(c.corrupt(start, steps, c.draw(steps, np.random.default_rng(0))), start)


def test_gain_gamma_and_bias_keep_black_black() -> None:
    black = np.full((16, 16), -1, np.float32)
    rng = np.random.default_rng(1)
    for step in (c.Gain(), c.Gamma(), c.BiasField()):
        np.testing.assert_allclose(step.apply(black, step.draw(rng)), -1, atol=1e-6)


def test_gain_and_gamma_by_hand() -> None:
    middle = np.zeros((2, 2), np.float32)
    np.testing.assert_allclose(c.Gain().apply(middle, {"factor": 1.2}), 0.2, atol=1e-6)
    np.testing.assert_allclose(c.Gain().apply(middle, {"factor": 3.0}), 1.0)
    np.testing.assert_allclose(c.Gamma().apply(middle, {"exponent": 2.0}), -0.5, atol=1e-6)


@pytest.mark.parametrize("correlation", [0.0, 1.0])
def test_gaussian_noise_has_the_strength_asked_for(correlation: float) -> None:
    step = c.GaussianNoise()
    still = np.zeros((128, 128), np.float32)
    noise = step.apply(still, {"sigma": 0.01, "correlation": correlation, "seed": 5})
    assert noise.std() == pytest.approx(0.02, rel=0.03)
    neighbours = np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1]
    assert (neighbours > 0.6) if correlation else (abs(neighbours) < 0.03)


def test_rician_noise_lifts_the_background_to_a_rayleigh_mean() -> None:
    black = np.full((128, 128), -1, np.float32)
    noisy = (c.RicianNoise().apply(black, {"sigma": 0.05, "seed": 1}) + 1) / 2
    assert noisy.min() >= 0
    assert noisy.mean() == pytest.approx(0.05 * np.sqrt(np.pi / 2), rel=0.03)


def test_bias_field_is_smooth_and_of_the_strength_drawn() -> None:
    step = c.BiasField(strength=(0.2, 0.2))
    drawn = step.draw(np.random.default_rng(2))
    field = np.log((step.apply(np.full((64, 64), -0.9, np.float32), drawn) + 1) / 0.1)
    assert 0.05 < np.abs(field).max() < 0.2 * len(drawn["coefficients"])
    assert np.abs(np.diff(field, axis=0)).max() < 0.1


def test_ranges_must_ascend() -> None:
    with pytest.raises(ValidationError, match="smaller number first"):
        c.Gain(factor=(1.2, 0.8))
