"""The complete default study, on one core and on two."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.calls import SMOKE, snakemake
from benchmarks.row import Goal, Row, Scale

_GOAL = Goal("<=", 12)


def measure(scale: Scale) -> Iterator[Row]:
    """Wall time, on an otherwise idle machine."""
    targets = ("results/smoke/tables/table1.csv", *SMOKE) if scale.tiny else ()
    minutes = {
        cores: snakemake(scale.folder / str(cores), *targets, cores=cores).wall / 60 for cores in (2, 1)
    }
    yield Row("two cores", minutes[2], "min", _GOAL, "wall time")
    yield Row("one core", minutes[1], "min", None, "wall time")
    yield Row("gain of the second core", minutes[1] / minutes[2], "x", None, "at most 2")
