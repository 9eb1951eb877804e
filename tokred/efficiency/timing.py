"""Times of several pieces of work that alternate in one process.

A machine's speed drifts with its temperature and its other load. What is compared is therefore measured in
turn: every round runs each piece of work once, and a speed-up is the median over rounds of the ratio within
a round.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

#: A piece of work: one forward pass, or one training step.
Work = Callable[[], object]


@dataclass(frozen=True)
class Spread:
    """A median with its interquartile range."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: tuple[float, ...]) -> Spread:
        """The spread of some values.

        >>> Spread.of((1.0, 2.0, 3.0, 4.0, 100.0))
        Spread(median=3.0, low=2.0, high=4.0)
        """
        low, median, high = np.percentile(values, (25, 50, 75)).tolist()
        return cls(median, low, high)


@dataclass(frozen=True)
class Times:
    """Seconds of the calls of a piece of work, one for each round."""

    seconds: tuple[float, ...]

    @property
    def spread(self) -> Spread:
        """Seconds of a call: median and interquartile range."""
        return Spread.of(self.seconds)

    @property
    def median(self) -> float:
        """Median seconds of a call."""
        return self.spread.median

    @property
    def p95(self) -> float:
        """95th percentile of the seconds of a call."""
        return float(np.percentile(self.seconds, 95))

    def speedup_over(self, reference: Times) -> Spread:
        """The reference's time divided by this one's: the median over rounds, and its interquartile range.

        Args:
            reference: times of other work in the same rounds.
        """
        return Spread.of(tuple(theirs / ours for theirs, ours in self._rounds(reference)))

    def _rounds(self, reference: Times) -> list[tuple[float, float]]:
        return list(zip(reference.seconds, self.seconds, strict=True))


def in_turn(
    works: Mapping[str, Work],
    device: torch.device,
    repeats: int = 20,
    warm_up: int = 3,
    seconds: float = float("inf"),
) -> dict[str, Times]:
    """Times of each piece of work, all measured in turn.

    Work on a GPU is waited for, before and after each call.

    Args:
        works: functions by name; the first is usually the one with which the others are compared.
        device: where the work is done.
        repeats: number of rounds.
        warm_up: number of rounds before, which do not count.
        seconds: after so many seconds no further round begins, but there is at least one.
    """
    for _ in range(warm_up):
        for work in works.values():
            _timed(work, device)
    found: dict[str, list[float]] = {name: [] for name in works}
    end = time.perf_counter() + seconds
    for index in range(repeats):
        if index and time.perf_counter() > end:
            break
        for name, work in works.items():
            found[name].append(_timed(work, device))
    return {name: Times(tuple(times)) for name, times in found.items()}


def synchronize(device: torch.device) -> None:
    """Wait until a GPU has done its work; nothing on a CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _timed(work: Work, device: torch.device) -> float:
    synchronize(device)
    start = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - start
