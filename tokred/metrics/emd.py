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
    a, b = distribution(map_a), distribution(map_b)
    return float(_pot().emd2(a, b, ground_distance(tuple(grid)), numItermax=1_000_000))


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
