"""Projection-weighted CCA of CLS features, as a distance (Morcos et al. 2018; paper appendix J)."""

from __future__ import annotations

import numpy as np

from tokred.metrics.cca import canonical
from tokred.metrics.moments import Moments


def pwcca(moments: Moments) -> tuple[float, int]:
    """1 - sum w_i rho_i, in [0, 1], the weights w from A, the anchor; NaN for features alike for all images.

    Returns:
        The distance, and the number of null directions that were left out.
    """
    if not moments.valid:
        return float("nan"), 0
    found = canonical(moments)
    similarity = (found.weights / found.weights.sum()) @ found.correlations
    return float(np.clip(1 - similarity, 0.0, 1.0)), found.dropped
