"""Canonical correlations of CLS features."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tokred.metrics.moments import Moments


@dataclass(frozen=True)
class Canonical:
    """Canonical correlations.

    Attributes:
        correlations: (m,) falling, m the smaller rank.
        weights: (m,) sum over the rows a_j of A of |<h_i, a_j>|, h_i the canonical variates of A.
        dropped: null directions that were left out, of both sides.
    """

    correlations: NDArray
    weights: NDArray
    dropped: int


@lru_cache(maxsize=1)  # three metrics need it, one after the other
def canonical(moments: Moments) -> Canonical:
    """Canonical correlations between the directions of A and B that are not null."""
    white_a, projection_a = moments.directions(moments.aa)
    white_b, _ = moments.directions(moments.bb)
    left, correlations, _ = np.linalg.svd(white_a.T @ moments.ab @ white_b, full_matrices=False)
    dropped = sum(moments.ab.shape) - white_a.shape[1] - white_b.shape[1]
    weights = np.abs(left.T @ projection_a).sum(axis=1)
    return Canonical(np.clip(correlations, 0.0, 1.0), weights, dropped)


def mean_cca(moments: Moments) -> tuple[float, int]:
    """Mean canonical correlation, in [0, 1], and the number of dropped directions."""
    if not moments.valid:
        return float("nan"), 0
    found = canonical(moments)
    return float(found.correlations.mean()), found.dropped


def mean_squared_cca(moments: Moments) -> tuple[float, int]:
    """Mean squared canonical correlation, in [0, 1], and the number of dropped directions."""
    if not moments.valid:
        return float("nan"), 0
    found = canonical(moments)
    return float((found.correlations**2).mean()), found.dropped
