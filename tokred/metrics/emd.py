"""Earth Mover's Distance of depth maps (paper appendix H)."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from tokred.metrics.distribution import distribution


@cache
def ground_distance(grid: tuple[int, int]) -> NDArray:
    """(P, P) Euclidean distances between the tokens of a grid, in tokens."""
    rows, columns = (axis.ravel() for axis in np.mgrid[: grid[0], : grid[1]])
    return np.hypot(rows[:, None] - rows, columns[:, None] - columns)


def earth_movers_distance(map_a: NDArray, map_b: NDArray, grid: tuple[int, int]) -> float:
    """Least cost of turning one map into the other, exactly; both are normalised to sum 1.

    The only metric of maps that knows where tokens lie. Unit: distance between neighbouring tokens.

    >>> import numpy as np
    >>> earth_movers_distance(np.array([1.0, 0, 0]), np.array([0.0, 0, 1]), (1, 3))
    2.0
    """
    import ot  # slow to import

    a, b = distribution(map_a), distribution(map_b)
    return float(ot.emd2(a, b, ground_distance(tuple(grid)), numItermax=1_000_000))
