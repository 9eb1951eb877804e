"""Intersection over Union (paper equation 2)."""

from __future__ import annotations

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
