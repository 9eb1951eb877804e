"""Every benchmark runs, and both sides of a race compute the same; no test looks at a clock."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks import process, race, registry, summary
from benchmarks.race import Contest
from benchmarks.row import Goal, Row, Scale


@pytest.mark.benchmark
@pytest.mark.parametrize("name", registry.BENCHMARKS)
def test_runs(name: str, tmp_path: Path) -> None:
    """A race raises where its sides differ."""
    rows = registry.measure(name, Scale(tmp_path, tiny=True))
    assert rows
    assert len({row.case for row in rows}) == len(rows)
    for row in rows:
        assert math.isfinite(row.value), row
        assert row.value >= 0, row


@pytest.mark.benchmark
def test_patterns_are_read_once(tmp_path: Path) -> None:
    assert summary.readings(Scale(tmp_path, tiny=True)) == 1


def test_unknown_name() -> None:
    with pytest.raises(ValueError, match=r"unknown benchmark 'emds' \(did you mean 'emd'\?\)"):
        registry.get("emds")


def test_a_race_needs_equal_values() -> None:
    contest = Contest(lambda: [1.0, 2.0], lambda: [1.0 + 1e-6])
    with pytest.raises(AssertionError, match="Mismatched elements: 1 / 1"):
        race.race(contest, 1)


def test_ratio_is_per_item(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours takes 4 s for 8 items, theirs 6 s for 2; in one of three repeats ours is slow."""
    clock = {"now": 0.0, "calls": 0}

    def ours() -> np.ndarray:
        clock["calls"] += 1
        clock["now"] += 400 if clock["calls"] == 3 else 4
        return np.arange(8)

    def theirs() -> np.ndarray:
        clock["now"] += 6
        return np.arange(2)

    monkeypatch.setattr(race.time, "process_time", lambda: clock["now"])
    times = race.race(Contest(ours, theirs), 3)
    assert (times.ours, times.theirs, times.ratio) == (0.5, 3, 6)


@pytest.mark.parametrize(("sign", "met"), [(">=", [False, True, True]), ("<=", [True, True, False])])
def test_goals(sign: str, met: list[bool]) -> None:
    assert [Goal(sign, 2).met(value) for value in (1, 2, 3)] == met


@pytest.mark.benchmark
def test_alone() -> None:
    """Another process, with its own peak of memory, whose errors are raised here."""
    small, large = (process.alone(_fill, size) for size in (1, 200_000_000))
    assert small.value == 1
    assert large.peak - small.peak > 150_000_000
    with pytest.raises(ValueError, match="negative dimensions"):
        process.alone(_fill, -1)


def _fill(size: int) -> int:
    return int(np.full(size, 1, dtype=np.uint8)[-1])


def test_rows_say_what_they_are() -> None:
    contest = Contest(lambda: [1.0], lambda: [1.0], unit="pair")
    row = race.race_row("case", contest, 1, None)
    assert isinstance(row, Row)
    assert row.unit == "x"
    assert row.note.endswith("per pair")
