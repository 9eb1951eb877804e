"""Depth maps and actual keep rates in one pass over a run's patterns, against one pass per value."""

from __future__ import annotations

from collections.abc import Iterator
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from benchmarks.race import Contest, race_row
from benchmarks.row import Goal, Row, Scale
from benchmarks.study import runs, write_patterns
from benchmarks.synthetic import STAGES
from tokred.comparison.runs import open_runs
from tokred.comparison.summary import summarize_runs
from tokred.metrics.depth import LevelCounts, block_counts, count_levels
from tokred.tables import patterns

#: Times that a run's patterns should be read.
_ONCE = Goal("<=", 1)


def contest(scale: Scale) -> Contest:
    """A run's summary and depth map, against reading its patterns again for every value."""
    run = next(run for run in runs() if run.method == "topk" and run.keep_rate == "0.70")
    path = write_patterns(scale.folder, run, scale.of(50_000, 40))
    blocks = block_counts((3, 6, 9), 12)

    def ours() -> NDArray:
        summary, depth = summarize_runs(open_runs([path]))
        return np.array([[row["mean"] for row in summary] + [row["depth"] for row in depth]])

    def theirs() -> NDArray:
        rates = [(_survived(path) >= stage).mean() for stage in range(1, STAGES + 1)]
        mean_depth = _counts(path).mean_depth(blocks).mean()
        return np.array([[*rates, mean_depth, *_counts(path).depth_map(blocks)]])

    return Contest(ours, theirs, unit="run of 50,000 images")


def readings(scale: Scale) -> int:
    """Number of times that the job reads a run's patterns."""
    run = next(run for run in runs() if run.method == "kmedoids")
    path = write_patterns(scale.folder, run, 20)
    with mock.patch.object(patterns, "read", wraps=patterns.read) as read:
        summarize_runs(open_runs([path]))
    return read.call_count


def measure(scale: Scale) -> Iterator[Row]:
    """One core, from the file to the rows."""
    yield race_row("one pass, not one for every number", contest(scale), scale.of(7, 1), None)
    yield Row("times that patterns are read", readings(scale), "", _ONCE, "a run with kept tokens")


def _survived(path: str) -> NDArray:
    return patterns.read(path, ["survived"]).survived


def _counts(path: str) -> LevelCounts:
    return count_levels(_survived(path), STAGES + 1)
