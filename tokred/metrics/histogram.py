"""Histogram similarity of depth maps (paper appendix H)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def histogram_similarity(map_a: NDArray, map_b: NDArray, grid: tuple[int, int] | None = None) -> float:
    """Sum of the element-wise minimum of two (P,) maps, each min-max normalised and then to sum 1.

    A constant map counts as uniform.

    >>> import numpy as np
    >>> histogram_similarity(np.array([0.0, 1.0]), np.array([1.0, 1.0]))
    0.5
    """
    return float(np.minimum(_normalized(map_a), _normalized(map_b)).sum())


def _normalized(depth_map: NDArray) -> NDArray:
    spread = np.ptp(depth_map)
    if spread == 0:
        return np.full(len(depth_map), 1 / len(depth_map))
    scaled = (depth_map - depth_map.min()) / spread
    return scaled / scaled.sum()
