"""Metrics of depth maps against scipy, linear programming and direct formulas."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import linprog
from scipy.spatial.distance import jensenshannon

from tokred.metrics.maps import (
    earth_movers_distance,
    histogram_similarity,
    jensen_shannon,
    pearson,
    spearman,
)

GRID = (3, 4)


def maps() -> dict[str, tuple[NDArray, NDArray]]:
    rng = np.random.default_rng(1)
    return {
        "random": tuple(rng.uniform(3, 12, (2, 12))),
        "ties": (rng.integers(1, 4, 12).astype(float), rng.integers(1, 4, 12).astype(float)),
        "empty bins": (np.r_[np.zeros(6), rng.random(6)], np.r_[rng.random(7), np.zeros(5)]),
        "disjoint": (np.eye(12)[0], np.eye(12)[11]),
        "equal": (np.arange(1.0, 13), np.arange(1.0, 13)),
    }


MAPS = maps()


@pytest.mark.parametrize("case", MAPS)
def test_against_scipy(case: str) -> None:
    a, b = MAPS[case]
    assert pearson(a, b) == pytest.approx(stats.pearsonr(a, b).statistic, abs=1e-12)
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)
    assert jensen_shannon(a, b) == pytest.approx(jensenshannon(a, b, base=2) ** 2, abs=1e-12)


def transport_cost(a: NDArray, b: NDArray) -> float:
    """Earth Mover's Distance as a linear program over all flows."""
    places = [(i, j) for i in range(GRID[0]) for j in range(GRID[1])]
    cost = [np.hypot(p[0] - q[0], p[1] - q[1]) for p in places for q in places]
    leaves = np.kron(np.eye(12), np.ones(12))
    arrives = np.kron(np.ones(12), np.eye(12))
    marginals = np.r_[a / a.sum(), b / b.sum()]
    return linprog(cost, A_eq=np.vstack([leaves, arrives]), b_eq=marginals).fun


@pytest.mark.parametrize("case", MAPS)
def test_emd_against_linear_programming(case: str) -> None:
    a, b = MAPS[case]
    assert earth_movers_distance(a, b, GRID) == pytest.approx(transport_cost(a, b), abs=1e-9)


def test_histogram_similarity_by_hand() -> None:
    a, b = np.array([1.0, 2, 3]), np.array([5.0, 5, 7])
    # (0, 1/3, 2/3) and (0, 0, 1)
    assert histogram_similarity(a, b) == pytest.approx(2 / 3)
    # constant: uniform
    assert histogram_similarity(a, np.full(3, 4.0)) == pytest.approx(0 + 1 / 3 + 1 / 3)


def test_maps_that_do_not_fit_the_grid() -> None:
    with pytest.raises(ValueError, match=r"maps of 12 and 9 tokens: expected 12 on grid \(3, 4\)"):
        earth_movers_distance(np.ones(12), np.ones(9), GRID)


@pytest.mark.parametrize("values", [np.zeros(12), -np.ones(12), np.full(12, np.nan)])
def test_no_distribution(values: NDArray) -> None:
    with pytest.raises(ValueError, match="is no distribution"):
        jensen_shannon(values, np.ones(12))
    with pytest.raises(ValueError, match="is no distribution"):
        earth_movers_distance(np.ones(12), values, GRID)


def test_jensen_shannon_of_maps_that_differ_by_rounding(rng: np.random.Generator) -> None:
    """SciPy's distance, a root, is NaN for many of these."""
    for _ in range(50):
        values = rng.random(64)
        found = jensen_shannon(values, values * (1 + 1e-12 * rng.normal(size=64)))
        assert 0 <= found < 1e-15
