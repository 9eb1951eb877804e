"""Metrics of depth maps, each token's depth averaged over a data set (paper section 5.3 and appendix H).

All have the same signature, although only the Earth Mover's Distance uses the grid.
"""

from __future__ import annotations

import importlib
import os
import sys
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr

from tokred.statistics import correlation

#: Environment variable that keeps POT from importing torch.
_NO_TORCH = "POT_BACKEND_DISABLE_PYTORCH"

Grid = tuple[int, int]


def pearson(map_a: NDArray[Any], map_b: NDArray[Any], grid: Grid | None = None) -> float:
    """Pearson's correlation of two (P,) maps; NaN where one is constant, has a NaN, or is empty."""
    return correlation.pearson(map_a, map_b)


def spearman(map_a: NDArray[Any], map_b: NDArray[Any], grid: Grid | None = None) -> float:
    """Spearman's rank correlation of two (P,) maps; NaN where one is constant, has a NaN, or is empty."""
    return correlation.spearman(map_a, map_b)


def jensen_shannon(map_a: NDArray[Any], map_b: NDArray[Any], grid: Grid | None = None) -> float:
    """Divergence to base 2 of two (P,) maps normalized to sum 1, in [0, 1]; empty bins are fine.

    Raises ValueError for maps that cannot be normalized.

    >>> jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    1.0
    """
    # scipy.spatial.distance.jensenshannon is the square root, and NaN where rounding makes this negative.
    a, b = _distribution(map_a), _distribution(map_b)
    middle = (a + b) / 2
    divergence = (rel_entr(a, middle).sum() + rel_entr(b, middle).sum()) / (2 * np.log(2))
    return float(np.clip(divergence, 0.0, 1.0))


def histogram_similarity(map_a: NDArray[Any], map_b: NDArray[Any], grid: Grid | None = None) -> float:
    """Sum of the element-wise minimum of two (P,) maps, each min-max normalized and then to sum 1.

    A constant map counts as uniform.

    >>> histogram_similarity(np.array([0.0, 1.0]), np.array([1.0, 1.0]))
    0.5
    """
    return float(np.minimum(_histogram(map_a), _histogram(map_b)).sum())


def earth_movers_distance(map_a: NDArray[Any], map_b: NDArray[Any], grid: Grid) -> float:
    """Least cost of turning one map into the other, exactly; both are normalized to sum 1.

    The mass that both maps have at a token stays there, which is optimal if the ground distance is a metric.
    Only the surplus of one map is transported to where the other has a surplus, which leaves a quarter of the
    possible flows or fewer.

    This is the only metric of maps that depends on the positions of tokens. Unit: distance between
    neighboring tokens.

    Raises ValueError for maps that do not fit the grid, or that cannot be normalized.

    >>> earth_movers_distance(np.array([1.0, 0, 0]), np.array([0.0, 0, 1]), (1, 3))
    2.0
    """
    tokens = grid[0] * grid[1]
    if not len(map_a) == len(map_b) == tokens:
        raise ValueError(
            f"maps of {len(map_a)} and {len(map_b)} tokens: expected {tokens} on grid {tuple(grid)}"
        )
    surplus = _distribution(map_a) - _distribution(map_b)
    sources, sinks = np.flatnonzero(surplus > 0), np.flatnonzero(surplus < 0)
    if not len(sources) or not len(sinks):
        return 0.0
    mass = surplus[sources].sum()
    leaving, arriving = surplus[sources] / mass, surplus[sinks] / surplus[sinks].sum()
    distance = ground_distance(tuple(grid))[np.ix_(sources, sinks)]
    return float(mass * _pot().emd2(leaving, arriving, distance, numItermax=1_000_000))


@cache
def ground_distance(grid: Grid) -> NDArray[Any]:
    """(P, P) Euclidean distances between the tokens of a grid, in tokens."""
    rows, columns = (axis.ravel() for axis in np.mgrid[: grid[0], : grid[1]])
    return np.hypot(rows[:, None] - rows, columns[:, None] - columns)


def _distribution(depth_map: NDArray[Any]) -> NDArray[Any]:
    """(P,) map normalized to sum 1.

    Raises ValueError for a negative or not finite value, or a map that is zero everywhere.
    """
    if not np.isfinite(depth_map).all() or depth_map.min() < 0 or depth_map.sum() <= 0:
        raise ValueError(
            f"a map with values from {depth_map.min()} to {depth_map.max()} is no distribution: "
            "expected finite values >= 0 and not all 0"
        )
    return np.asarray(depth_map, dtype=np.float64) / depth_map.sum()


def _histogram(depth_map: NDArray[Any]) -> NDArray[Any]:
    """(P,) map shifted to minimum 0 and normalized to sum 1; uniform if all values are equal."""
    spread = np.ptp(depth_map)
    if spread == 0:
        return np.full(len(depth_map), 1 / len(depth_map))
    scaled = (depth_map - depth_map.min()) / spread
    return scaled / scaled.sum()


@cache
def _pot() -> ModuleType:
    """POT, imported on demand, and without its torch backend unless torch is already imported."""
    # POT imports every array library that is installed; maps are NumPy arrays, and torch takes seconds.
    before = os.environ.get(_NO_TORCH)
    if "torch" not in sys.modules:
        os.environ[_NO_TORCH] = "1"
    try:
        return importlib.import_module("ot")
    finally:
        if before is None:
            os.environ.pop(_NO_TORCH, None)
        else:
            os.environ[_NO_TORCH] = before
