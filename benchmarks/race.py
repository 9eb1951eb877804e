"""Comparison of two implementations that compute the same values.

pytest-benchmark and asv time one function on its own; a claim here is a ratio, measured in alternation, with
values that are compared.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.row import Goal, Row

#: Largest difference between values of both sides.
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Contest:
    """Two implementations that compute the same values.

    Attributes:
        ours: returns values whose first axis is items.
        theirs: returns the values of the first items, maybe of fewer, as it may be slow.
        unit: name of an item.
    """

    ours: Callable[[], ArrayLike]
    theirs: Callable[[], ArrayLike]
    unit: str = "image"


@dataclass(frozen=True)
class Times:
    """Processor seconds per item, medians over repeats, and the median ratio of theirs to ours."""

    ours: float
    theirs: float
    ratio: float


def race(contest: Contest, repeats: int) -> Times:
    """Measure both sides alternately, `repeats` times.

    Processor time of this process counts, as other processes may use the machine.

    Raises AssertionError if the two sides do not compute the same values.
    """
    ours, theirs = np.asarray(contest.ours()), np.asarray(contest.theirs())
    np.testing.assert_allclose(ours[: len(theirs)], theirs, rtol=0, atol=_TOLERANCE)
    pairs = [(_clock(contest.ours) / len(ours), _clock(contest.theirs) / len(theirs)) for _ in range(repeats)]
    return Times(
        ours=statistics.median(ours for ours, _ in pairs),
        theirs=statistics.median(theirs for _, theirs in pairs),
        ratio=statistics.median(theirs / ours for ours, theirs in pairs),
    )


def race_row(case: str, contest: Contest, repeats: int, goal: Goal | None) -> Row:
    """The row of a race, with both times in its note."""
    times = race(contest, repeats)
    return Row(
        case, times.ratio, "x", goal, f"{_text(times.theirs)} / {_text(times.ours)} per {contest.unit}"
    )


def _clock(function: Callable[[], ArrayLike]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def _text(seconds: float) -> str:
    """A duration in a suitable unit.

    >>> _text(0.00032)
    '320 us'
    """
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
