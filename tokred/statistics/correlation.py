"""Correlations of two vectors: depth maps (paper section 5.3), or performance and similarity (section 5.5).

Implemented here rather than taken from `scipy.stats`: its import takes 0.6 s, ten times as long as all other
imports of a comparison job; its calls take 3 to 12 times as long on short vectors; and it returns a
correlation for vectors that are constant up to rounding, where these functions return NaN. The tests compare
both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Spread, relative to the values, below which a vector is constant up to rounding.
_NO_SPREAD = 1e-12


def pearson(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Pearson's correlation of two (m,) vectors; NaN where one is constant, has a NaN, or is empty.

    >>> round(pearson(np.array([1.0, 2, 3]), np.array([2.0, 4, 6])), 12)
    1.0
    """
    if not a.size or not b.size:
        return float("nan")  # NumPy warns of the mean of an empty array
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    centered_a, centered_b = a - a.mean(), b - b.mean()
    norm_a, norm_b = np.linalg.norm(centered_a), np.linalg.norm(centered_b)
    if norm_a <= _NO_SPREAD * np.linalg.norm(a) or norm_b <= _NO_SPREAD * np.linalg.norm(b):
        return float("nan")
    return float(np.clip(centered_a @ centered_b / (norm_a * norm_b), -1.0, 1.0))


def spearman(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Pearson's correlation of the ranks of two (m,) vectors; NaN under the same conditions.

    >>> round(spearman(np.array([1.0, 2, 3]), np.array([1.0, 8, 27])), 12)
    1.0
    """
    return pearson(_ranks(a), _ranks(b))


def kendall(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Kendall's tau-b of two (m,) vectors; NaN where one is constant, has a NaN, or is empty.

    >>> kendall(np.array([1, 2, 3]), np.array([1, 3, 2]))
    0.3333333333333333
    """
    upper = np.triu_indices(len(a), 1)
    sign_a = np.sign(a[:, None] - a[None, :])[upper]
    sign_b = np.sign(b[:, None] - b[None, :])[upper]
    untied = np.sqrt(float(np.abs(sign_a).sum()) * float(np.abs(sign_b).sum()))
    return float((sign_a * sign_b).sum() / untied) if untied else float("nan")


def _ranks(values: NDArray[Any]) -> NDArray[Any]:
    """Ranks from 1; equal values share their mean rank; all NaN if one value is."""
    if np.isnan(values).any():
        return np.full(len(values), np.nan)
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts - 1) / 2)[inverse]
