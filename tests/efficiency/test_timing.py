"""Times in turn, and what is computed from them; no test looks at a clock."""

from __future__ import annotations

import pytest
import torch

from tokred.efficiency import timing
from tokred.efficiency.timing import Spread, Times, in_turn

CPU = torch.device("cpu")


class Clock:
    """A clock that only work moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.order = 0.0, list[str]()
        monkeypatch.setattr(timing.time, "perf_counter", lambda: self.now)

    def work(self, name: str, *seconds: float):
        """Work that takes these seconds, call by call, and then the last ones."""
        left = list(seconds)

        def run() -> None:
            self.order.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return run


def test_work_alternates_and_warm_up_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    works = {"a": clock.work("a", 9, 1, 2, 3), "b": clock.work("b", 9, 4)}
    found = in_turn(works, CPU, repeats=3, warm_up=1)
    assert "".join(clock.order) == "abababab"
    assert found == {"a": Times((1, 2, 3)), "b": Times((4, 4, 4))}


def test_no_round_begins_after_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    found = in_turn({"a": clock.work("a", 2)}, CPU, repeats=9, warm_up=0, seconds=3)
    assert found["a"].seconds == (2, 2)
    assert in_turn({"a": clock.work("a", 2)}, CPU, repeats=9, warm_up=0, seconds=0)["a"].seconds == (2,)


def test_speedup_is_the_median_of_the_rounds_ratios() -> None:
    """Both are slow in the last round: the ratio of medians would be another."""
    ours, theirs = Times((1.0, 2.0, 30.0)), Times((3.0, 8.0, 60.0))
    assert ours.speedup_over(theirs) == Spread(median=3, low=2.5, high=3.5)
    assert ours.speedup_over(ours) == Spread(1, 1, 1)
    assert (ours.median, theirs.median) == (2, 8)


def test_percentiles() -> None:
    times = Times(tuple(float(value) for value in range(101)))
    assert (times.median, times.p95) == (50, 95)
    assert times.spread == Spread(50, 25, 75)


def test_rounds_must_be_the_same() -> None:
    with pytest.raises(ValueError, match="zip"):
        Times((1.0,)).speedup_over(Times((1.0, 2.0)))
