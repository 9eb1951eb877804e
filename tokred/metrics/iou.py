"""Intersection over Union (paper equation 2)."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from tokred.metrics.sets import Sets, common, pack_both, ratio


def intersection_over_union(kept_a: Sets, kept_b: Sets) -> NDArray:
    """|M1 n M2| / |M1 u M2|; 0 where both are empty.

    Args:
        kept_a, kept_b: (n, P) booleans or packed sets.

    Returns:
        (n,) values in [0, 1].

    Raises:
        ValueError: different shapes.

    >>> import numpy as np
    >>> intersection_over_union(np.array([[1, 1, 0, 0]], bool), np.array([[1, 0, 1, 0]], bool))
    array([0.33333333])
    """
    first, second = pack_both(kept_a, kept_b)
    shared = common(first, second)
    return ratio(shared, first.sizes + second.sizes - shared)


def expected_iou(kept_a: Sets, kept_b: Sets) -> NDArray:
    """IoU expected of unrelated sets of the same sizes; 0 where both are empty.

    This is the mean of the ratio, not the ratio of the means K1 K2 / P and K1 + K2 - K1 K2 / P, which is
    smaller: the number of common tokens x has a hypergeometric distribution, so the mean of x / (K1 + K2 - x)
    is a sum over all x. It is computed once for every pair of sizes that occurs.

    Args and errors as of `intersection_over_union`.

    >>> import numpy as np
    >>> expected_iou(np.array([[1, 1, 0, 0]], bool), np.array([[1, 0, 1, 0]], bool)).round(4)
    array([0.3889])
    """
    first, second = pack_both(kept_a, kept_b)
    tokens = first.tokens
    codes = np.minimum(first.sizes, second.sizes) * (tokens + 1) + np.maximum(first.sizes, second.sizes)
    expected = np.zeros((tokens + 1) ** 2)
    for code in np.flatnonzero(np.bincount(codes)).tolist():
        expected[code] = _expected_ratio(*divmod(code, tokens + 1), tokens)
    return expected[codes]


@cache
def _expected_ratio(smaller: int, larger: int, tokens: int) -> float:
    """Mean of x / (K1 + K2 - x) over the common tokens x of two random sets."""
    if larger == 0:
        return 0.0
    shared = np.arange(max(0, smaller + larger - tokens), smaller + 1)
    log_chance = (
        _log_choose(larger, shared)
        + _log_choose(tokens - larger, smaller - shared)
        - _log_choose(tokens, np.array(smaller))
    )
    return float(np.exp(log_chance) @ (shared / (smaller + larger - shared)))


def _log_choose(total: int, chosen: NDArray) -> NDArray:
    """Logarithm of the number of ways to choose from a total."""
    factorials = _log_factorials(total)
    return factorials[total] - factorials[chosen] - factorials[total - chosen]


@cache
def _log_factorials(up_to: int) -> NDArray:
    """log 0!, log 1!, ..."""
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, up_to + 1)))])
