"""What a job loads before it does anything: time and modules of each kind of job's entry."""

from __future__ import annotations

import importlib
import statistics
import sys
from collections.abc import Iterator

from benchmarks.process import alone
from benchmarks.row import Goal, Row, Scale

_NONE = Goal("<=", 0)
#: Modules that a job loads, by its kind.
ENTRIES = {
    "train, extract": ("tokred.jobs",),
    "compare patterns": ("tokred.compare.jobs", "tokred.compare.methods", "tokred.compare.keep_rates"),
    "compare features": ("tokred.compare.jobs", "tokred.compare.features"),
    "render a figure": (
        "tokred.artifacts.render",
        "tokred.artifacts.figure3",
        "matplotlib.backends.backend_agg",
    ),
}
#: Kinds of jobs that need no networks.
WITHOUT_TORCH = ("compare patterns", "compare features", "render a figure")


def loaded(modules: tuple[str, ...]) -> list[str]:
    """All modules that are there after loading some; meant for a process of its own."""
    for module in modules:
        importlib.import_module(module)
    return sorted(sys.modules)


def measure(scale: Scale) -> Iterator[Row]:
    """Processor time on one core."""
    for kind, modules in ENTRIES.items():
        found = [alone(loaded, modules) for _ in range(scale.of(5, 1))]
        seconds = statistics.median(run.cpu for run in found)
        yield Row(f"import for: {kind}", seconds, "s", None, f"{len(found[0].value)} modules")
        if kind in WITHOUT_TORCH:
            torch = sum(name.partition(".")[0] == "torch" for name in found[0].value)
            yield Row(f"torch's modules for: {kind}", torch, "modules", _NONE)
