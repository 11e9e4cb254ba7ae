import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydantic import ValidationError

from SynthLogic.errors import InputError
from SynthLogic.intensity import N4, Fitted, Percentiles, Pipeline, Window, ZScore
from SynthLogic.intensity.step import SAMPLE, sample

STEPS = [
    Window(lower=-1000, upper=2000),
    Window(lower=0, upper=1),
    Percentiles(),
    Percentiles(lower=10, upper=80),
    ZScore(),
    ZScore(limit=1.5, foreground=True),
]
VOXELS = arrays.arrays(
    np.float32, (2, 3, 4), elements=st.floats(-3000, 4000, width=32, allow_subnormal=False), unique=True
)


@pytest.mark.parametrize("step", STEPS, ids=repr)
@settings(max_examples=40, deadline=None)
@given(values=VOXELS)
def test_the_inverse_restores_what_was_not_clipped(make_volume, step, values):
    pipeline = Pipeline(steps=[step])
    volume = make_volume(values)
    try:
        unit, fitted = pipeline.forward(volume)
    except InputError:
        return
    assert unit.dtype == np.float32
    assert unit.flags["C_CONTIGUOUS"]
    assert unit.min() >= -1
    assert unit.max() <= 1
    low, high = pipeline.inverse(np.array([[[-1.0, 1.0]]]), fitted)[0, 0]
    back = pipeline.inverse(unit, fitted)
    np.testing.assert_allclose(back, np.clip(values, low, high), atol=1e-3 + 1e-6 * max(abs(low), abs(high)))
    np.testing.assert_array_equal(unit, pipeline.transform(volume, fitted))
    order = np.argsort(values, axis=None)
    assert (np.diff(unit.ravel()[order]) >= 0).all()


def test_a_window_is_linear_between_its_ends(make_volume):
    pipeline = Pipeline(steps=[Window(lower=-150, upper=350)])
    values = np.array([[[-2000, -150, 100, 225, 350, 3000]]], np.int16)
    np.testing.assert_allclose(pipeline.forward(make_volume(values))[0][0, 0], [-1, -1, 0, 0.5, 1, 1])
    assert not pipeline.inverse_needs_fit
    np.testing.assert_allclose(pipeline.inverse(np.array([[[-1, 0, 0.5]]]))[0, 0], [-150, 100, 225])
    assert values.dtype == np.int16


def test_percentiles_are_those_of_the_volume(make_volume):
    values = np.arange(1001, dtype=np.float32).reshape(7, 11, 13)
    unit, fitted = Pipeline(steps=[Percentiles(lower=10, upper=90)]).forward(make_volume(values))
    assert fitted.states[0].values == {"lower": 100.0, "upper": 900.0}
    np.testing.assert_allclose(unit.ravel()[[0, 100, 500, 900, 1000]], [-1, -1, 0, 1, 1], atol=1e-6)


def test_z_score_has_zero_mean_and_unit_deviation(make_volume):
    values = np.random.default_rng(0).normal(300, 40, (10, 20, 30))
    unit, fitted = Pipeline(steps=[ZScore(limit=8)]).forward(make_volume(values))
    assert unit.mean() == pytest.approx(0, abs=1e-4)
    assert unit.std() * 8 == pytest.approx(1, abs=1e-4)
    assert fitted.states[0].values["mean"] == pytest.approx(values.mean())
    air = np.concatenate([values, np.zeros((30, 20, 30))])
    _, fitted = Pipeline(steps=[ZScore(foreground=True)]).forward(make_volume(air))
    assert fitted.states[0].values["mean"] == pytest.approx(300, abs=1)


def test_a_large_volume_is_sampled_evenly_and_always_alike():
    values = np.zeros((41, 256, 256), np.float32)
    values += np.arange(256, dtype=np.float32)
    drawn = sample(values)
    assert SAMPLE / 3 < drawn.size <= SAMPLE
    assert np.unique(drawn).size == 256
    np.testing.assert_allclose(
        np.percentile(drawn, (0.5, 50, 99)), np.percentile(values, (0.5, 50, 99)), atol=1
    )
    np.testing.assert_array_equal(drawn, sample(values))


def test_a_card_reads_and_writes_it():
    text = '{"steps":[{"kind":"n4","shrink":2},{"kind":"percentiles","upper":99.5},{"kind":"z-score"}]}'
    pipeline = Pipeline.model_validate_json(text)
    assert isinstance(pipeline.steps[0], N4)
    assert pipeline.steps[1] == Percentiles(upper=99.5)
    assert Pipeline.model_validate_json(pipeline.model_dump_json()) == pipeline
    assert pipeline.inverse_needs_fit


def test_what_was_fitted_goes_through_json(make_volume):
    pipeline = Pipeline(steps=[Percentiles()])
    values = np.random.default_rng(0).normal(100, 30, (4, 5, 6))
    unit, fitted = pipeline.forward(make_volume(values))
    again = Fitted.model_validate_json(fitted.model_dump_json())
    np.testing.assert_array_equal(pipeline.inverse(unit, again), pipeline.inverse(unit, fitted))


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [{"kind": "n4"}],
        [{"kind": "window", "lower": 5, "upper": 5}],
        [{"kind": "window", "lower": 0, "upper": float("inf")}],
        [{"kind": "window", "lower": 0, "upper": 1, "clip": True}],
        [{"kind": "percentiles", "lower": -1}],
        [{"kind": "percentiles", "lower": 60, "upper": 40}],
        [{"kind": "z-score", "limit": 0}],
        [{"kind": "n4", "iterations": []}, {"kind": "z-score"}],
        [{"kind": "histogram"}],
    ],
)
def test_impossible_pipelines_are_refused(steps):
    with pytest.raises(ValidationError):
        Pipeline.model_validate({"steps": steps})


@pytest.mark.parametrize("step", STEPS, ids=repr)
def test_a_constant_image_is_refused(make_volume, step):
    with pytest.raises(InputError, match="same value"):
        Pipeline(steps=[step]).forward(make_volume(np.full((3, 4, 5), 7, np.int16)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_voxels_that_are_no_numbers_are_refused(make_volume, bad):
    values = np.arange(24.0).reshape(2, 3, 4)
    values[1, 1, 1] = bad
    with pytest.raises(InputError, match="NaN or infinite"):
        Pipeline(steps=[Percentiles()]).forward(make_volume(values))


def test_a_mask_has_no_percentiles(make_volume):
    values = np.zeros((10, 10, 10))
    values[5, 5, 5] = 1
    with pytest.raises(InputError, match="Nearly all voxels"):
        Pipeline(steps=[Percentiles()]).fit(make_volume(values))


def test_the_inverse_says_when_it_needs_a_fit():
    with pytest.raises(ValueError, match="fitted"):
        Pipeline(steps=[Percentiles()]).inverse(np.zeros((1, 1, 1)))


def test_the_input_is_never_changed(make_volume):
    values = np.random.default_rng(0).normal(100, 30, (4, 5, 6)).astype(np.float32)
    volume = make_volume(values.copy())
    pipeline = Pipeline(steps=[ZScore(), Window(lower=-0.5, upper=0.5)])
    unit, fitted = pipeline.forward(volume)
    np.testing.assert_array_equal(volume.array, values)
    kept = unit.copy()
    pipeline.inverse(unit, fitted)
    np.testing.assert_array_equal(unit, kept)
