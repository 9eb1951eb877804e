"""The registry of benchmarks."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.row import Row, Scale
from tokred.names import lookup


@dataclass(frozen=True)
class Benchmark:
    """A benchmark.

    Attributes:
        name: name on the command line, and of its module in `benchmarks`.
        title: description of the measurement.
        threads: of the process that measures.
        by_default: whether it runs if no names are given.
    """

    name: str
    title: str
    threads: int = 1
    by_default: bool = True

    def load(self) -> Callable[[Scale], Iterator[Row]]:
        """The function `measure` of its module."""
        return importlib.import_module(f"benchmarks.{self.name}").measure


_ALL = [
    Benchmark("inference", "Throughput of reduced models against their multiply-accumulates", threads=2),
    Benchmark("newer_methods", "The same for the methods since the paper", threads=2),
    Benchmark("against_plain", "Throughput of reduced models against plain implementations", threads=2),
    Benchmark("training_step", "Training steps against their multiply-accumulates", threads=2),
    Benchmark("tracing", "Tracing on top of inference", threads=2),
    Benchmark("precision", "bfloat16 against float32", threads=2),
    Benchmark("linkage", "Agglomerative clustering of tokens as a share of a forward pass", threads=2),
    Benchmark("clusterings", "Homogeneity, Completeness and NMI against scikit-learn"),
    Benchmark("kept_sets", "IoA and IoU against Python sets"),
    Benchmark("summary", "Depth maps and actual keep rates in one pass"),
    Benchmark("emd", "EMD of depth maps with one ground distance"),
    Benchmark("features", "Procrustes, CKA and PWCCA against full singular value decompositions"),
    Benchmark("reading", "Reading a run's patterns"),
    Benchmark("storage", "Bytes an image of stored patterns"),
    Benchmark("stage", "The metrics of one data set and backbone, whole"),
    Benchmark("startup", "What jobs load before they do anything"),
    Benchmark("command_line", "What tokred's commands add to the models that they run", threads=2),
    Benchmark("dry_runs", "How long the workflow thinks"),
    Benchmark("default_study", "The default study on one core and on two"),
    Benchmark("gpu", "Every method on a GPU in bfloat16", by_default=False),
]

#: Every benchmark by name.
BENCHMARKS: dict[str, Benchmark] = {benchmark.name: benchmark for benchmark in _ALL}


def measure(name: str, scale: Scale) -> list[Row]:
    """All rows of a benchmark."""
    return list(get(name).load()(scale))


def get(name: str) -> Benchmark:
    """The benchmark of that name; ValueError with the nearest known name otherwise."""
    return lookup("benchmark", name, BENCHMARKS)
