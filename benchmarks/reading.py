"""Reading one run's patterns into numpy."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from benchmarks.row import Goal, Row, Scale
from benchmarks.study import runs, write_patterns
from tokred.tables import patterns

_GOAL = Goal("<=", 1)


def measure(scale: Scale) -> Iterator[Row]:
    """Wall time on one core for the largest pattern: kept tokens and clusters of three stages."""
    run = next(run for run in runs() if run.method == "kmedoids" and run.keep_rate == "0.70")
    path = write_patterns(scale.folder, run, scale.of(50_000, 40))
    seconds = [_seconds(path) for _ in range(scale.of(7, 1))]
    found = patterns.read(path)
    size = sum(part.nbytes for part in (found.survived, *found.clusters))
    yield Row(
        "50,000 images, kept tokens and clusters",
        statistics.median(seconds),
        "s",
        _GOAL,
        f"{size / 1e6:.0f} MB in memory; wall time",
    )


def _seconds(path: str) -> float:
    start = time.perf_counter()
    patterns.read(path)
    return time.perf_counter() - start
