"""Metrics of CLS features, from their second moments (paper section 5.5 and appendix J).

Each returns its value and the number of null directions that were left out, of both sides. In the formulas
A and B are the features, (d, images), centered over images and of Frobenius norm 1. All values are NaN for
features that are the same for all images, or not finite (`Moments.valid`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokred.metrics.moments import Moments


def procrustes(moments: Moments) -> tuple[float, int]:
    """Orthogonal Procrustes distance: ||A||^2 + ||B||^2 - 2 ||A B^T||_*, in [0, 2].

    Returns:
        The distance, and 0 dropped directions.

    Raises:
        ValueError: features of different width.
    """
    width_a, width_b = moments.ab.shape
    if width_a != width_b:
        raise ValueError(f"Procrustes distance: features of width {width_a} and {width_b}, expected the same")
    if not moments.valid:
        return float("nan"), 0
    nuclear = np.linalg.svd(moments.ab, compute_uv=False).sum()
    distance = np.trace(moments.a.products) + np.trace(moments.b.products) - 2 * nuclear
    return float(np.clip(distance, 0.0, 2.0)), 0


def cka(moments: Moments) -> tuple[float, int]:
    """Linear centered kernel alignment as a distance (Kornblith et al. 2019), in [0, 1].

    1 - ||B A^T||_F^2 / (||A A^T||_F ||B B^T||_F)

    Returns:
        The distance, and 0 dropped directions.
    """
    if not moments.valid:
        return float("nan"), 0
    aligned = np.linalg.norm(moments.ab) ** 2
    scale = np.linalg.norm(moments.a.products) * np.linalg.norm(moments.b.products)
    return float(np.clip(1 - aligned / scale, 0.0, 1.0)), 0


def pwcca(moments: Moments) -> tuple[float, int]:
    """Projection-weighted CCA as a distance (Morcos et al. 2018), in [0, 1].

    1 - sum w_i rho_i, the weights w from A, the anchor.

    Returns:
        The distance, and the number of dropped directions.
    """
    if not moments.valid:
        return float("nan"), 0
    found = _canonical(moments)
    similarity = (found.weights / found.weights.sum()) @ found.correlations
    return float(np.clip(1 - similarity, 0.0, 1.0)), found.dropped


def mean_cca(moments: Moments) -> tuple[float, int]:
    """Mean canonical correlation, in [0, 1], and the number of dropped directions."""
    if not moments.valid:
        return float("nan"), 0
    found = _canonical(moments)
    return float(found.correlations.mean()), found.dropped


def mean_squared_cca(moments: Moments) -> tuple[float, int]:
    """Mean squared canonical correlation, in [0, 1], and the number of dropped directions."""
    if not moments.valid:
        return float("nan"), 0
    found = _canonical(moments)
    return float((found.correlations**2).mean()), found.dropped


@dataclass(frozen=True)
class _Canonical:
    """Canonical correlations.

    Attributes:
        correlations: (m,) falling, m the smaller rank.
        weights: (m,) sum over the rows a_j of A of |<h_i, a_j>|, h_i the canonical variates of A.
        dropped: null directions that were left out, of both sides.
    """

    correlations: NDArray[Any]
    weights: NDArray[Any]
    dropped: int


@lru_cache(maxsize=1)  # three metrics need it, one after the other
def _canonical(moments: Moments) -> _Canonical:
    """Canonical correlations between the directions of A and B that are not null."""
    white_a, projection_a = moments.a.directions
    white_b, _ = moments.b.directions
    left, correlations, _ = np.linalg.svd(white_a.T @ moments.ab @ white_b, full_matrices=False)
    dropped = sum(moments.ab.shape) - white_a.shape[1] - white_b.shape[1]
    weights = np.abs(left.T @ projection_a).sum(axis=1)
    return _Canonical(np.clip(correlations, 0.0, 1.0), weights, dropped)
