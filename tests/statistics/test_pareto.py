"""The Pareto front against its definition, and interpolation against lines drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tokred.statistics.pareto import interpolate, on_front


def test_front_is_what_no_other_point_dominates() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        cost, value = rng.integers(0, 8, (2, 30)).astype(float)  # with many ties
        expected = [
            not any(
                cost[j] <= cost[i] and value[j] >= value[i] and (cost[j] < cost[i] or value[j] > value[i])
                for j in range(30)
            )
            for i in range(30)
        ]
        assert on_front(cost, value).tolist() == expected


def test_points_without_a_number_are_not_on_the_front() -> None:
    nan = np.nan
    assert on_front(np.array([nan, 1.0, 2.0]), np.array([9.0, nan, 1.0])).tolist() == [False, False, True]
    assert on_front(np.empty(0), np.empty(0)).tolist() == []


@pytest.mark.parametrize(("at", "expected"), [(1, 60), (1.5, 65), (2, 70), (3, 71), (4, 72), (2.5, 70.5)])
def test_interpolation_between_neighbors(at: float, expected: float) -> None:
    found = interpolate(np.array([4.0, 1.0, 2.0]), np.array([72.0, 60.0, 70.0]), at)
    assert found == pytest.approx(expected)


def test_no_extrapolation_and_the_better_of_equal_costs() -> None:
    cost, value = np.array([1.0, 2.0, 2.0]), np.array([50.0, 40.0, 60.0])
    assert np.isnan(interpolate(cost, value, 0.99))
    assert np.isnan(interpolate(cost, value, 2.01))
    assert interpolate(cost, value, 2.0 * (1 + 1e-12)) == 60
    assert interpolate(cost, value, 1.5) == 55
