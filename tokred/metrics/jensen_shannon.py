"""Jensen-Shannon divergence of depth maps (paper appendix H)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tokred.metrics.distribution import distribution


def jensen_shannon(map_a: NDArray, map_b: NDArray, grid: tuple[int, int] | None = None) -> float:
    """Divergence to base 2 of two (P,) maps normalised to sum 1, in [0, 1]; empty bins are fine.

    >>> import numpy as np
    >>> jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    1.0
    """
    a, b = distribution(map_a), distribution(map_b)
    middle = (a + b) / 2
    return float(np.clip((_divergence(a, middle) + _divergence(b, middle)) / 2, 0.0, 1.0))


def _divergence(p: NDArray, q: NDArray) -> float:
    filled = p > 0
    return float((p[filled] * np.log2(p[filled] / q[filled])).sum())
