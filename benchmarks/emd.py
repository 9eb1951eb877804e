"""Earth Mover's Distance of many pairs of depth maps, against forming the ground distance for each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import ot
from numpy.typing import NDArray

from benchmarks.race import Contest, race_row
from benchmarks.row import Goal, Row, Scale
from benchmarks.synthetic import SIDE, survivors
from tokred.metrics.depth import block_counts, count_levels
from tokred.metrics.maps import earth_movers_distance, ground_distance

#: Both sides solve the same problem exactly by POT; ours must not be slower.
_GOAL = Goal(">=", 1)
#: Images of a depth map.
_IMAGES = 400


def maps(pairs: int) -> list[tuple[NDArray, NDArray]]:
    """Pairs of depth maps of 14 x 14 tokens."""
    rng, blocks = np.random.default_rng(0), block_counts((3, 6, 9), 12)
    one, other = (
        [count_levels(survivors(rng, _IMAGES, "0.50"), len(blocks)).depth_map(blocks) for _ in range(pairs)]
        for _ in "ab"
    )
    return list(zip(one, other, strict=True))


def contest(scale: Scale) -> Contest:
    """All pairs; the ground distance of the grid is computed once, or for every pair."""
    pairs = maps(scale.of(60, 2))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    places = np.stack([rows.ravel(), columns.ravel()], axis=1).astype(float)

    def ours() -> NDArray:
        return np.array([earth_movers_distance(a, b, (SIDE, SIDE)) for a, b in pairs])

    def cost(a: NDArray, b: NDArray) -> float:
        return ot.emd2(a / a.sum(), b / b.sum(), ot.dist(places, places, metric="euclidean"))

    def theirs() -> NDArray:
        return np.array([cost(a, b) for a, b in pairs])

    return Contest(ours, theirs, unit="pair")


def solver_only(scale: Scale) -> Contest:
    """Lower bound: only POT's solver, on maps that are already normalized."""
    pairs = [(a / a.sum(), b / b.sum()) for a, b in maps(scale.of(60, 2))]
    distance = ground_distance((SIDE, SIDE))

    def ours() -> NDArray:
        return np.array([earth_movers_distance(a, b, (SIDE, SIDE)) for a, b in pairs])

    def theirs() -> NDArray:
        return np.array([np.sum(ot.lp.emd(a, b, distance) * distance) for a, b in pairs])

    return Contest(ours, theirs, unit="pair")


def measure(scale: Scale) -> Iterator[Row]:
    """One core."""
    yield race_row("14 x 14 maps, exact", contest(scale), scale.of(5, 1), _GOAL)
    yield race_row("POT's solver alone", solver_only(scale), scale.of(5, 1), None)
