"""Metrics of CLS features, from their covariances (paper section 5.5 and appendix J).

Each returns its value and the number of null directions that were left out, of both models together. In the
formulas A and B are the features, (d, images), centered over images and of Frobenius norm 1. Degenerate
features, which are the same for all images or not finite, give NaN (`Covariances.valid`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokred.metrics.covariance import Covariances


def procrustes(covariances: Covariances) -> tuple[float, int]:
    """Orthogonal Procrustes distance: ||A||^2 + ||B||^2 - 2 ||A B^T||_*, in [0, 2].

    Returns:
        The distance, and 0 dropped directions.

    Raises:
        ValueError: features of different width.
    """
    width_a, width_b = covariances.cross.shape
    if width_a != width_b:
        raise ValueError(f"Procrustes distance: features of width {width_a} and {width_b}, expected the same")
    if not covariances.valid:
        return float("nan"), 0
    nuclear = np.linalg.svd(covariances.cross, compute_uv=False).sum()
    distance = np.trace(covariances.a.matrix) + np.trace(covariances.b.matrix) - 2 * nuclear
    return float(np.clip(distance, 0.0, 2.0)), 0


def cka(covariances: Covariances) -> tuple[float, int]:
    """Linear centered kernel alignment as a distance (Kornblith et al. 2019), in [0, 1].

    1 - ||B A^T||_F^2 / (||A A^T||_F ||B B^T||_F)

    Returns:
        The distance, and 0 dropped directions.
    """
    if not covariances.valid:
        return float("nan"), 0
    aligned = np.linalg.norm(covariances.cross) ** 2
    scale = np.linalg.norm(covariances.a.matrix) * np.linalg.norm(covariances.b.matrix)
    return float(np.clip(1 - aligned / scale, 0.0, 1.0)), 0


def pwcca(covariances: Covariances) -> tuple[float, int]:
    """Projection-weighted CCA as a distance (Morcos et al. 2018), in [0, 1].

    1 - sum w_i rho_i, with weights w from A, the features of the reference method.

    Returns:
        The distance, and the number of dropped directions.
    """
    if not covariances.valid:
        return float("nan"), 0
    canonical = _canonical(covariances)
    similarity = (canonical.weights / canonical.weights.sum()) @ canonical.correlations
    return float(np.clip(1 - similarity, 0.0, 1.0)), canonical.dropped


def mean_cca(covariances: Covariances) -> tuple[float, int]:
    """Mean canonical correlation, in [0, 1], and the number of dropped directions."""
    if not covariances.valid:
        return float("nan"), 0
    canonical = _canonical(covariances)
    return float(canonical.correlations.mean()), canonical.dropped


def mean_squared_cca(covariances: Covariances) -> tuple[float, int]:
    """Mean squared canonical correlation, in [0, 1], and the number of dropped directions."""
    if not covariances.valid:
        return float("nan"), 0
    canonical = _canonical(covariances)
    return float((canonical.correlations**2).mean()), canonical.dropped


@dataclass(frozen=True)
class _Canonical:
    """Canonical correlations.

    Attributes:
        correlations: (m,) in descending order; m is the smaller rank of the two.
        weights: (m,) sum over the rows a_j of A of |<h_i, a_j>|, h_i the canonical variates of A.
        dropped: number of null directions that were left out, of both models together.
    """

    correlations: NDArray[Any]
    weights: NDArray[Any]
    dropped: int


@lru_cache(maxsize=1)  # for the three metrics that are computed of one pair in turn
def _canonical(covariances: Covariances) -> _Canonical:
    """Canonical correlations within the non-null directions of A and B."""
    whitening_a, projection_a = covariances.a.whitening
    whitening_b, _ = covariances.b.whitening
    left, correlations, _ = np.linalg.svd(
        whitening_a.T @ covariances.cross @ whitening_b, full_matrices=False
    )
    dropped = sum(covariances.cross.shape) - whitening_a.shape[1] - whitening_b.shape[1]
    weights = np.abs(left.T @ projection_a).sum(axis=1)
    return _Canonical(np.clip(correlations, 0.0, 1.0), weights, dropped)
