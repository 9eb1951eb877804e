"""Rank correlations between performance and similarity (paper section 5.5)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tokred.metrics.spearman import spearman

__all__ = ["kendall", "spearman"]


def kendall(a: NDArray, b: NDArray) -> float:
    """Kendall's tau-b of two (m,) vectors; NaN where one of them is constant.

    >>> import numpy as np
    >>> kendall(np.array([1, 2, 3]), np.array([1, 3, 2]))
    0.3333333333333333
    """
    upper = np.triu_indices(len(a), 1)
    sign_a = np.sign(a[:, None] - a[None, :])[upper]
    sign_b = np.sign(b[:, None] - b[None, :])[upper]
    untied = np.sqrt(float(np.abs(sign_a).sum()) * float(np.abs(sign_b).sum()))
    return float((sign_a * sign_b).sum() / untied) if untied else float("nan")
