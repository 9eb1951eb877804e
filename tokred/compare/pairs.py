"""Metrics of a pair of runs on the same images, for every stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tokred.compare.runs import RunFile, pair, same_images, statistics
from tokred.metrics.registry import METRICS

Row = dict[str, object]
#: Lower bound of a metric at a stage, None where there is none.
Bound = Callable[[int], float | None]


def compare_patterns(
    first: RunFile, second: RunFile, metric: str, bound: Bound = lambda stage: None
) -> Iterator[Row]:
    """Rows of one metric of sets or clusterings: mean and standard deviation over images, a row a stage."""
    same_images(first, second)
    spec = METRICS[metric]
    function = spec.load()
    for stage in range(1, first.num_stages + 1):
        if spec.kind == "sets":
            values = function(first.patterns.kept(stage), second.patterns.kept(stage))
        else:
            values = function(first.patterns.clusters[stage - 1], second.patterns.clusters[stage - 1])
        fixed = {"stage": stage, "metric": metric, "bound": bound(stage), "dropped": None}
        yield pair(first.run, second.run) | fixed | statistics(values)
