"""The Pareto front of models that cost something and are worth something."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def on_front(cost: NDArray[Any], value: NDArray[Any]) -> NDArray[Any]:
    """Which of n points no other one dominates.

    A point dominates another if it costs at most as much and is worth at least as much, and one of both is
    strict. Of equal points all or none are on the front. A point without a number (NaN) never is, and
    dominates none.

    Args:
        cost: (n,) costs, of which less is better.
        value: (n,) values, of which more is better.

    Returns:
        (n,) booleans.

    >>> on_front(np.array([1.0, 2.0, 2.0, 3.0]), np.array([70.0, 75.0, 60.0, 75.0]))
    array([ True,  True, False, False])
    """
    cost, value = np.asarray(cost, dtype=np.float64), np.asarray(value, dtype=np.float64)
    front = np.zeros(len(cost), dtype=bool)
    best = (-np.inf, np.inf)  # value and cost of the last point on the front
    for index in np.lexsort((-value, cost)):
        if np.isnan(cost[index]) or np.isnan(value[index]):
            continue
        if value[index] > best[0] or (value[index], cost[index]) == best:
            front[index], best = True, (value[index], cost[index])
    return front


def interpolate(cost: NDArray[Any], value: NDArray[Any], at: float) -> float:
    """Value at a cost, on straight lines between points; NaN outside of their range.

    Args:
        cost: (n,) costs in any order. Of points of equal cost, that of the largest value counts.
        value: (n,) values.
        at: the cost that is asked for. At the rim of the range, rounding counts as being within.

    >>> interpolate(np.array([1.0, 3.0]), np.array([70.0, 80.0]), 2.0)
    75.0
    """
    order = np.lexsort((value, cost))
    cost, value = np.asarray(cost, dtype=np.float64)[order], np.asarray(value, dtype=np.float64)[order]
    last_of_equal = np.append(np.diff(cost) > 0, True)
    cost, value = cost[last_of_equal], value[last_of_equal]
    tolerance = 1e-9 * abs(at)
    if not cost[0] - tolerance <= at <= cost[-1] + tolerance:
        return float("nan")
    return float(np.interp(at, cost, value))
