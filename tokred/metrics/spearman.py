"""Spearman's rank correlation of depth maps (paper appendix H)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tokred.metrics.pearson import pearson


def spearman(map_a: NDArray, map_b: NDArray, grid: tuple[int, int] | None = None) -> float:
    """Pearson's correlation of the ranks of two (P,) maps; NaN where one is constant, has a NaN, or is empty.

    >>> import numpy as np
    >>> round(spearman(np.array([1.0, 2, 3]), np.array([1.0, 8, 27])), 12)
    1.0
    """
    return pearson(_ranks(map_a), _ranks(map_b))


def _ranks(values: NDArray) -> NDArray:
    """Ranks from 1; equal values share their mean rank; all NaN if one value is."""
    if np.isnan(values).any():
        return np.full(len(values), np.nan)
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts - 1) / 2)[inverse]
