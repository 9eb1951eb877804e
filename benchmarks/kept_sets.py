"""IoA and IoU of kept sets of 196 tokens, against Python sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from benchmarks.race import Contest, race_row
from benchmarks.row import Goal, Row, Scale
from benchmarks.study import RATES
from benchmarks.synthetic import survivors
from tokred.metrics.sets import (
    PackedSets,
    intersection_over_area,
    intersection_over_union,
    pack_survivors,
)

_GOAL = Goal(">=", 50)
_STAGE = 1
#: Keep rates that are compared, each with each, and the keep rates of a pair by itself.
_RATES, _PAIR = RATES, ("0.25", "0.50")


def all_pairs(scale: Scale, rates: Sequence[str]) -> Contest:
    """All pairs of some runs, packed once from the stored patterns, as in the comparison of keep rates.

    Python's sets are built beforehand, outside of the measurement.
    """
    rng = np.random.default_rng(0)
    survived = [survivors(rng, scale.of(50_000, 40), rate) for rate in rates]
    few = scale.of(2000, 10)
    sets = [[_set(tokens) for tokens in run[:few]] for run in survived]

    def ours() -> NDArray:
        packed = [pack_survivors(run, _STAGE) for run in survived]
        return np.stack([_both(larger, smaller) for smaller, larger in combinations(packed, 2)], axis=1)

    def theirs() -> NDArray:
        pairs = combinations(sets, 2)
        scores = [[_scores(a, b) for b, a in zip(*pair, strict=True)] for pair in pairs]
        return np.array(scores).swapaxes(0, 1)

    return Contest(ours, theirs)


def measure(scale: Scale) -> Iterator[Row]:
    """One core; both metrics on both sides; ours includes packing."""
    repeats = scale.of(9, 1)
    yield race_row("four keep rates, six pairs, packing included", all_pairs(scale, _RATES), repeats, _GOAL)
    yield race_row("one pair by itself, packing included", all_pairs(scale, _PAIR), repeats, None)


def _set(survived: NDArray) -> set[int]:
    return set(np.flatnonzero(survived >= _STAGE).tolist())


def _scores(larger: set[int], smaller: set[int]) -> tuple[float, float]:
    """IoA and IoU by Python's sets."""
    return len(larger & smaller) / len(smaller), len(larger & smaller) / len(larger | smaller)


def _both(larger: PackedSets, smaller: PackedSets) -> NDArray:
    return np.stack(
        [intersection_over_area(larger, smaller), intersection_over_union(larger, smaller)], axis=1
    )
