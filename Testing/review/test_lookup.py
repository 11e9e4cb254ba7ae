import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from SynthLogic.errors import ConfigError
from SynthLogic.review import LookupTable, mae, mse

SHAPE = (2, 6, 6)
INPUTS = arrays(np.int16, SHAPE, elements=st.integers(-1000, -980))
REFERENCES = arrays(np.float32, SHAPE, elements=st.floats(0, 1000, width=32))
MAPS = st.lists(st.floats(0, 100, width=32), min_size=21, max_size=21)


@given(INPUTS, REFERENCES, MAPS, st.booleans())
@settings(max_examples=100, deadline=None)
def test_no_monotonic_map_beats_the_table(source, reference, steps, falling):
    table = LookupTable.fit([(source, reference, None)])
    rising = np.cumsum(steps)
    rival = (rising[::-1] if falling else rising)[source.astype(int) + 1000]
    assert mae(table.apply(source), reference) <= mae(rival, reference) + 1e-3


@given(INPUTS, REFERENCES, MAPS)
@settings(max_examples=60, deadline=None)
def test_no_map_at_all_beats_the_mean_table_in_squared_error(source, reference, values):
    table = LookupTable.fit([(source, reference, None)], statistic="mean")
    rival = np.asarray(values)[source.astype(int) + 1000]
    assert mse(table.apply(source), reference) <= mse(rival, reference) + 1e-2


def test_entries_are_the_conditional_medians_and_means():
    source = np.array([[[0, 0, 0, 0, 5, 5, 9]]])
    reference = np.array([[[1.0, 2.0, 3.0, 100.0, 7.0, 8.0, -4.0]]])
    pair = [(source, reference, None)]
    np.testing.assert_allclose(LookupTable.fit(pair).values, [2.5, 7.5, -4])
    np.testing.assert_allclose(LookupTable.fit(pair, statistic="mean").values, [26.5, 7.5, -4])
    np.testing.assert_allclose(LookupTable.fit(pair).apply(np.array([-50, 4, 5, 50])), [2.5, 2.5, 7.5, -4])


def test_pooled_table_is_never_better_than_one_per_subject():
    rng = np.random.default_rng(0)
    sources = [rng.integers(0, 50, (4, 8, 8)) for _ in range(3)]
    pairs = [(x, np.float32(x * (n + 1) + rng.normal(size=x.shape)), None) for n, x in enumerate(sources)]
    pooled = LookupTable.fit(pairs)
    for source, reference, _ in pairs:
        own = LookupTable.fit([(source, reference, None)])
        assert mae(own.apply(source), reference) < mae(pooled.apply(source), reference)


def test_many_float_values_share_bins_and_no_step_function_on_them_is_better():
    rng = np.random.default_rng(1)
    source = rng.uniform(0, 1000, (4, 32, 32)).astype(np.float32)
    reference = np.sqrt(source) * 10 + rng.normal(0, 5, source.shape)
    table = LookupTable.fit([(source, reference, None)], bins=32)
    assert table.values.size == 32
    own = mae(table.apply(source), reference)
    bins = np.clip(np.searchsorted(table.edges, source, side="right"), 0, 31)
    for shift in (-2.0, -0.5, 0.5, 2.0):
        assert own <= mae((table.values + shift)[bins], reference)


def test_empty_bins_lie_between_their_neighbours():
    source = np.concatenate([np.linspace(0, 1, 50), np.linspace(9, 10, 50)])[None, None]
    table = LookupTable.fit([(source, source * 2, None)], bins=10)
    assert np.all(np.diff(table.values) > 0)


def test_only_masked_voxels_are_fitted():
    source, reference = np.array([[[1, 1, 1]]]), np.array([[[5.0, 5.0, 900.0]]])
    mask = np.array([[[True, True, False]]])
    assert LookupTable.fit([(source, reference, mask)]).apply(source).tolist() == [[[5, 5, 5]]]
    with pytest.raises(ConfigError, match="no voxels"):
        LookupTable.fit([(source, reference, mask & False)])
    with pytest.raises(ConfigError, match="one shape"):
        LookupTable.fit([(source, reference[..., :2], None)])
