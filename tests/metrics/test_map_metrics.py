"""Metrics of depth maps against scipy, linear programming and direct formulas."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import linprog
from scipy.spatial.distance import jensenshannon

from tokred.metrics.correlation import kendall
from tokred.metrics.depth import actual_keep_rate, block_counts, count_levels, depth_statistics
from tokred.metrics.emd import earth_movers_distance
from tokred.metrics.histogram import histogram_similarity
from tokred.metrics.jensen_shannon import jensen_shannon
from tokred.metrics.pearson import pearson
from tokred.metrics.spearman import spearman

RNG = np.random.default_rng(1)
GRID = (3, 4)
MAPS = {
    "random": tuple(RNG.uniform(3, 12, (2, 12))),
    "ties": (RNG.integers(1, 4, 12).astype(float), RNG.integers(1, 4, 12).astype(float)),
    "empty bins": (np.r_[np.zeros(6), RNG.random(6)], np.r_[RNG.random(7), np.zeros(5)]),
    "disjoint": (np.eye(12)[0], np.eye(12)[11]),
    "equal": (np.arange(1.0, 13), np.arange(1.0, 13)),
}


@pytest.mark.parametrize("case", MAPS)
def test_against_scipy(case: str) -> None:
    a, b = MAPS[case]
    assert pearson(a, b) == pytest.approx(stats.pearsonr(a, b).statistic, abs=1e-12)
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)
    assert kendall(a, b) == pytest.approx(stats.kendalltau(a, b).statistic, abs=1e-12)
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


@pytest.mark.parametrize("function", [pearson, spearman, kendall])
def test_constant_map_has_no_correlation(function: object) -> None:
    assert np.isnan(function(np.full(12, 0.1 + 0.2), RNG.random(12)))
    assert np.isnan(function(RNG.random(12), np.full(12, 9.0)))


@pytest.mark.parametrize("function", [pearson, spearman, kendall])
def test_nothing_to_correlate(function: object) -> None:
    """Nor do these warn: a collapsed model leaves such vectors."""
    for values in (np.zeros(0), np.ones(1), np.array([1.0, np.nan, 3.0])):
        assert np.isnan(function(values, np.arange(len(values), dtype=float)))


def test_maps_that_do_not_fit_the_grid() -> None:
    with pytest.raises(ValueError, match=r"maps of 12 and 9 tokens: expected 12 on grid \(3, 4\)"):
        earth_movers_distance(np.ones(12), np.ones(9), GRID)


@pytest.mark.parametrize("values", [np.zeros(12), -np.ones(12), np.full(12, np.nan)])
def test_no_distribution(values: NDArray) -> None:
    with pytest.raises(ValueError, match="is no distribution"):
        jensen_shannon(values, np.ones(12))
    with pytest.raises(ValueError, match="is no distribution"):
        earth_movers_distance(np.ones(12), values, GRID)


def test_tokens_of_equal_depth_stay_equal() -> None:
    """Ten images: depths that agree as whole numbers must not differ by rounding, as ranks would tell."""
    maps = []
    for _ in range(2):
        survived = RNG.integers(0, 4, (10, 196))
        maps.append((depth_statistics(survived, block_counts((3, 6, 9), 12))[0], survived))
    exact = [np.array([3, 6, 9, 12])[survived].sum(axis=0) for _, survived in maps]
    assert [len(np.unique(found)) for found, _ in maps] == [len(np.unique(total)) for total in exact]
    expected = stats.spearmanr(*exact).statistic
    assert spearman(maps[0][0], maps[1][0]) == pytest.approx(expected, abs=1e-12)


def test_actual_keep_rate() -> None:
    survived = RNG.integers(0, 4, (9, 12)).astype(np.uint8)
    for stage in (1, 2, 3):
        expected = [sum(level >= stage for level in image) / 12 for image in survived.tolist()]
        np.testing.assert_allclose(actual_keep_rate(survived, stage), expected)


def test_depth_against_a_loop() -> None:
    survived = RNG.integers(0, 4, (9, 12)).astype(np.uint8)
    depth = [[(3, 6, 9, 12)[level] for level in image] for image in survived]
    depth_map, per_image = depth_statistics(survived, block_counts((3, 6, 9), 12))
    np.testing.assert_allclose(depth_map, np.mean(depth, axis=0))
    np.testing.assert_allclose(per_image, np.mean(depth, axis=1))


def test_counts_of_many_images() -> None:
    """More than are counted at a time."""
    survived = RNG.integers(0, 4, (1200, 196)).astype(np.uint8)
    counts = count_levels(survived, 4)
    np.testing.assert_array_equal(counts.per_token, [(survived == level).sum(axis=0) for level in range(4)])
    np.testing.assert_array_equal(counts.per_image, [(survived == level).sum(axis=1) for level in range(4)])
    for stage in (1, 2, 3):
        np.testing.assert_array_equal(counts.actual_keep_rate(stage), actual_keep_rate(survived, stage))
