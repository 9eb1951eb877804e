"""All comparisons of one data set and backbone: the workflow's jobs on synthetic runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.process import Run, alone
from benchmarks.row import ALL, Goal, Row, Scale
from benchmarks.study import runs, write_features, write_patterns
from tokred.comparison.job import make
from tokred.tables.registry import TABLES

_MINUTES, _GIGABYTES = Goal("<=", 10), Goal("<=", 4)
#: Jobs that run at a time, each with one thread, as in the workflow on two cores.
_CORES = 2
#: Tables of pairs, the one that takes longest first.
_TABLES = ("features", "keep_rates", "methods", "fixed")


def write(folder: Path, images: int, width: int) -> dict[str, list[str]]:
    """Files with patterns and features of 13 methods at four keep rates, and of the unreduced model."""
    patterns = [write_patterns(folder, run, images) for run in runs()]
    features = [write_features(folder, run, images, width) for run in runs()]
    return {"patterns": patterns, "cls_features": features}


def jobs(folder: Path, files: dict[str, list[str]]) -> dict[str, tuple[Callable, tuple]]:
    """The jobs by name, the longest first."""
    made = {name: [name] for name in _TABLES} | {"summarize": ["summary", "depth"]}
    return {name: (make, _arguments(folder, files, tables)) for name, tables in made.items()}


def _arguments(folder: Path, files: dict[str, list[str]], tables: list[str]) -> tuple:
    """Arguments of the job that makes some tables."""
    table = TABLES[tables[0]]
    outputs = {name: str(folder / f"metrics/{name}.parquet") for name in tables}
    return table.target, outputs, {name: files[name] for name in table.inputs}


def measure(scale: Scale) -> Iterator[Row]:
    """Wall time of all jobs, two at a time, and the sum of the two largest peak memories.

    The goals are for all images: fewer say how the stage grows.
    """
    images, width = scale.of(scale.images, 40), scale.of(384, 8)
    minutes_goal, memory_goal = (_MINUTES, _GIGABYTES) if images == ALL else (None, None)
    planned = jobs(scale.folder, write(scale.folder, images, width))
    start = time.perf_counter()
    with ThreadPoolExecutor(_CORES) as pool:
        started = {
            name: pool.submit(alone, function, *arguments) for name, (function, arguments) in planned.items()
        }
        found: dict[str, Run] = {name: job.result() for name, job in started.items()}
    minutes = (time.perf_counter() - start) / 60
    spent = sum(run.cpu for run in found.values())
    yield Row(
        f"wall time of {images} images, two cores",
        minutes,
        "min",
        minutes_goal,
        f"{spent:.0f} s of processor time",
    )
    peaks = sorted(run.peak for run in found.values())
    yield Row("peak of memory, two jobs", sum(peaks[-2:]) / 1e9, "GB", memory_goal, "the two largest jobs")
    for name, run in found.items():
        yield Row(f"job {name}", run.cpu, "s", None, f"{run.wall:.0f} s wall, peak {run.peak / 1e9:.2f} GB")
