"""Correlations of vectors against SciPy, and where there is none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from tokred.statistics.correlation import kendall, pearson, spearman

Correlation = Callable[[NDArray, NDArray], float]


@pytest.mark.parametrize("values", [4, 1000], ids=["many ties", "few ties"])
@pytest.mark.parametrize("count", [2, 12, 196])
def test_against_scipy(count: int, values: int) -> None:
    rng = np.random.default_rng(count)
    a, b = rng.permutation(np.arange(count) % values), rng.permutation(np.arange(count) % values) ** 2
    assert pearson(a, b) == pytest.approx(stats.pearsonr(a, b).statistic, abs=1e-12)
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)
    assert kendall(a, b) == pytest.approx(stats.kendalltau(a, b).statistic, abs=1e-12)


@pytest.mark.parametrize("function", [pearson, spearman, kendall])
def test_a_constant_vector_has_no_correlation(function: Correlation) -> None:
    assert np.isnan(function(np.full(12, 0.1 + 0.2), np.random.default_rng(0).random(12)))
    assert np.isnan(function(np.random.default_rng(0).random(12), np.full(12, 9.0)))


@pytest.mark.parametrize("function", [pearson, spearman, kendall])
def test_nothing_to_correlate(function: Correlation) -> None:
    """Nor do these warn: a collapsed model leaves such vectors."""
    for values in (np.zeros(0), np.ones(1), np.array([1.0, np.nan, 3.0])):
        assert np.isnan(function(values, np.arange(len(values), dtype=float)))


def test_a_vector_that_is_constant_but_for_rounding_has_no_pearson_correlation() -> None:
    rounded = np.full(12, 0.3)
    rounded[::2] = np.nextafter(0.3, 1)
    assert np.isnan(pearson(rounded, np.arange(12.0)))
