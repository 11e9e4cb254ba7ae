import math

import numpy as np
import pytest
from scipy import stats

from SynthLogic.errors import ConfigError
from SynthLogic.review.statistics import bootstrap_interval, compare, holm, summary


def test_a_summary_is_numpys_and_its_interval_the_same_for_a_seed():
    values = np.random.default_rng(0).normal(50, 5, 12)
    found = summary([*values, math.nan], seed=3)
    assert found.n == 12
    assert found.mean == pytest.approx(values.mean())
    assert found.sd == pytest.approx(values.std(ddof=1))
    assert found.median == pytest.approx(np.median(values))
    assert (found.low, found.high) == bootstrap_interval(values, seed=3)
    assert found.low < found.mean < found.high
    half = 1.96 * values.std() / math.sqrt(12)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.1)


def test_what_few_values_cannot_tell_is_not_told():
    assert summary([]) == summary([math.nan])
    assert summary([]).mean is None
    one = summary([4.0])
    assert (one.n, one.mean, one.sd, one.low) == (1, 4.0, None, None)
    assert summary([1.0, math.inf]).mean == math.inf
    assert summary([1.0, math.inf]).sd is None


def test_comparisons_are_scipys():
    rng = np.random.default_rng(1)
    a = rng.normal(10, 2, 15)
    b = a + rng.normal(0.8, 1, 15)
    found = compare(a, b)
    assert found.difference == pytest.approx((a - b).mean())
    assert found.wilcoxon_p == pytest.approx(stats.wilcoxon(a, b).pvalue)
    assert found.t_p == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert found.effect == pytest.approx((a - b).mean() / (a - b).std(ddof=1))
    assert found.low < found.difference < found.high
    assert compare(b, a).difference == pytest.approx(-found.difference)


def test_a_comparison_of_nothing_has_no_p():
    same = compare([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert (same.difference, same.wilcoxon_p, same.t_p, same.effect) == (0.0, None, None, None)
    assert compare([5.0], [3.0]).wilcoxon_p is None
    assert compare([math.inf, 1.0], [1.0, math.nan]).n == 0
    assert compare([3.0] * 6, [1.0] * 6).t_p is None
    with pytest.raises(ConfigError):
        compare([1.0], [1.0, 2.0])


def test_five_pairs_cannot_be_significant_by_rank():
    assert compare([1.0, 2.0, 3.0, 4.0, 5.0], [0.0] * 5).wilcoxon_p == pytest.approx(0.0625)


def test_holm_is_the_step_down_procedure():
    # Holm's own steps by hand: 4 x 0.005, 3 x 0.01, 2 x 0.03, then never below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, None, 0.8]) == [1.0, None, 1.0]
    assert holm([]) == []
