"""Pearson's correlation of depth maps (paper section 5.3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Spread, relative to the values, below which a map is constant but for rounding.
_NO_SPREAD = 1e-12


def pearson(map_a: NDArray, map_b: NDArray, grid: tuple[int, int] | None = None) -> float:
    """Correlation of two (P,) maps; NaN where one is constant, has a NaN, or is empty.

    >>> import numpy as np
    >>> round(pearson(np.array([1.0, 2, 3]), np.array([2.0, 4, 6])), 12)
    1.0
    """
    if not map_a.size or not map_b.size:
        return float("nan")  # numpy would warn of the mean of nothing
    map_a, map_b = np.asarray(map_a, dtype=np.float64), np.asarray(map_b, dtype=np.float64)
    a, b = map_a - map_a.mean(), map_b - map_b.mean()
    norm_a, norm_b = np.linalg.norm(a), np.linalg.norm(b)
    if norm_a <= _NO_SPREAD * np.linalg.norm(map_a) or norm_b <= _NO_SPREAD * np.linalg.norm(map_b):
        return float("nan")
    return float(np.clip(a @ b / (norm_a * norm_b), -1.0, 1.0))
