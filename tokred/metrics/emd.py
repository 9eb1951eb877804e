"""Earth Mover's Distance of depth maps (paper appendix H)."""

from __future__ import annotations

import importlib
import os
import sys
from functools import cache
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from tokred.metrics.distribution import distribution

#: What tells POT to leave torch alone when it is imported.
_NO_TORCH = "POT_BACKEND_DISABLE_PYTORCH"


@cache
def ground_distance(grid: tuple[int, int]) -> NDArray:
    """(P, P) Euclidean distances between the tokens of a grid, in tokens."""
    rows, columns = (axis.ravel() for axis in np.mgrid[: grid[0], : grid[1]])
    return np.hypot(rows[:, None] - rows, columns[:, None] - columns)


def earth_movers_distance(map_a: NDArray, map_b: NDArray, grid: tuple[int, int]) -> float:
    """Least cost of turning one map into the other, exactly; both are normalised to sum 1.

    What a token has in both maps stays where it is, which is best where the ground distance is a metric: only
    what one map has too much of moves to where the other has, a quarter of the flows or fewer.

    The only metric of maps that knows where tokens lie. Unit: distance between neighbouring tokens.

    Raises ValueError for maps that do not fit the grid, or that cannot be normalised.

    >>> import numpy as np
    >>> earth_movers_distance(np.array([1.0, 0, 0]), np.array([0.0, 0, 1]), (1, 3))
    2.0
    """
    tokens = grid[0] * grid[1]
    if not len(map_a) == len(map_b) == tokens:
        raise ValueError(
            f"maps of {len(map_a)} and {len(map_b)} tokens: expected {tokens} on grid {tuple(grid)}"
        )
    surplus = distribution(map_a) - distribution(map_b)
    sources, sinks = np.flatnonzero(surplus > 0), np.flatnonzero(surplus < 0)
    if not len(sources) or not len(sinks):
        return 0.0
    mass = surplus[sources].sum()
    leaving, arriving = surplus[sources] / mass, surplus[sinks] / surplus[sinks].sum()
    distance = ground_distance(tuple(grid))[np.ix_(sources, sinks)]
    return float(mass * _pot().emd2(leaving, arriving, distance, numItermax=1_000_000))


@cache
def _pot() -> ModuleType:
    """POT, which is slow to import, without its torch backend, unless torch is there already."""
    # POT imports every array library that it finds; maps are numpy arrays, and torch takes seconds.
    given = os.environ.get(_NO_TORCH)
    if "torch" not in sys.modules:
        os.environ[_NO_TORCH] = "1"
    try:
        return importlib.import_module("ot")
    finally:
        if given is None:
            os.environ.pop(_NO_TORCH, None)
        else:
            os.environ[_NO_TORCH] = given
