"""Figures of several subjects: summaries with confidence, and paired comparisons."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from SynthLogic.errors import ConfigError

RESAMPLES = 9999
FEW = 6
"""Below this many pairs a two-sided signed-rank test cannot reach 5 %: with 5 its smallest p is 0.0625."""


@dataclass(frozen=True)
class Summary:
    """One figure over subjects; None where it does not exist.

    Attributes:
        n: subjects with a value.
        mean: their mean; infinite if one of them is.
        sd: standard deviation with n - 1; from two subjects on.
        median: of the values.
        low: lower end of the 95 % bootstrap interval of the mean over subjects.
        high: its upper end.
    """

    n: int
    mean: float | None
    sd: float | None
    median: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Comparison:
    """Paired by subject: the differences first - second; None where it does not exist.

    Attributes:
        n: pairs.
        difference: mean of the differences.
        low: lower end of its 95 % bootstrap interval over subjects.
        high: its upper end.
        wilcoxon_p: two-sided Wilcoxon signed-rank test (1945), exact for few pairs.
        t_p: two-sided paired t-test.
        effect: Cohen's d_z (1988), mean over standard deviation of the differences.
    """

    n: int
    difference: float | None
    low: float | None
    high: float | None
    wilcoxon_p: float | None
    t_p: float | None
    effect: float | None


def summary(values: ArrayLike, seed: int = 0) -> Summary:
    """Summarise one value a subject; values that are not a number do not count."""
    kept = _numbers(values)
    if kept.size == 0:
        return Summary(0, None, None, None, None, None)
    if not np.isfinite(kept).all():
        return Summary(kept.size, float(kept.mean()), None, float(np.median(kept)), None, None)
    low, high = bootstrap_interval(kept, seed)
    sd = float(kept.std(ddof=1)) if kept.size > 1 else None
    return Summary(kept.size, float(kept.mean()), sd, float(np.median(kept)), low, high)


def bootstrap_interval(
    values: ArrayLike, seed: int = 0, level: float = 0.95
) -> tuple[float, float] | tuple[None, None]:
    """Percentile bootstrap interval of the mean (Efron 1993) from 9999 draws of whole subjects.

    Too narrow for few subjects, as every bootstrap is; none for fewer than two.
    """
    kept = _numbers(values)
    if kept.size < 2:
        return None, None
    found = stats.bootstrap(
        (kept,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=level,
        method="percentile",
        random_state=np.random.default_rng(seed),
        batch=1000,
    ).confidence_interval
    return float(found.low), float(found.high)


def compare(first: ArrayLike, second: ArrayLike, seed: int = 0) -> Comparison:
    """Compare two sets of values of the same subjects in the same order.

    Pairs with a value that is not finite do not count. With fewer than two pairs there is no test. Where all
    differences are equal there is no t-test, and where all are 0 no test at all.

    Raises:
        ConfigError: sets of different length.
    """
    a, b = np.asarray(first, np.float64).ravel(), np.asarray(second, np.float64).ravel()
    if a.shape != b.shape:
        raise ConfigError(f"Paired statistics need pairs; there are {a.size} and {b.size} values.")
    both = np.isfinite(a) & np.isfinite(b)
    difference = (a - b)[both]
    n = int(difference.size)
    if n == 0:
        return Comparison(0, None, None, None, None, None, None)
    low, high = bootstrap_interval(difference, seed)
    mean = float(difference.mean())
    wilcoxon = t = effect = None
    # Differences that are the same but for rounding are no spread to test against.
    sd = float(difference.std(ddof=1)) if n > 1 else 0.0
    if n > 1 and difference.any():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wilcoxon = _finite(stats.wilcoxon(difference).pvalue)
    if sd > 1e-12 * float(np.abs(difference).max(initial=0)):
        t = _finite(stats.ttest_1samp(difference, 0.0).pvalue)
        effect = mean / sd
    return Comparison(n, mean, low, high, wilcoxon, t, effect)


def p_above_zero(differences: NDArray[np.float64]) -> float:
    """One-sided p of the Wilcoxon signed-rank test that paired differences are above 0; 1 where all are 0."""
    if not np.any(differences):
        return 1.0
    return float(stats.wilcoxon(differences, alternative="greater").pvalue)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction (1979); None stays None and does not count as a test."""
    tested = sorted((p, at) for at, p in enumerate(p_values) if p is not None and not math.isnan(p))
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, at) in enumerate(tested):
        largest = max(largest, min(1.0, p * (len(tested) - rank)))
        corrected[at] = largest
    return corrected


def _numbers(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, np.float64).ravel()
    return array[~np.isnan(array)]


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


__all__ = ["FEW", "Comparison", "Summary", "bootstrap_interval", "compare", "holm", "summary"]
