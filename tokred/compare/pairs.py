"""Metrics of a pair of runs on the same images, for every stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from numpy.typing import NDArray

from tokred.compare.runs import RunFile, pair, same_images, statistics
from tokred.metrics.clusterings import clustering_scores
from tokred.metrics.registry import METRICS

Row = dict[str, object]
#: Lower bound of a metric at a stage, None where there is none.
Bound = Callable[[int], float | None]


def compare_kept(
    first: RunFile, second: RunFile, metric: str, bound: Bound = lambda stage: None
) -> Iterator[Row]:
    """A metric of kept tokens: mean and standard deviation over images, a row a stage."""
    same_images(first, second)
    function = METRICS[metric].load()
    for stage in range(1, first.num_stages + 1):
        values = function(first.kept_sets[stage - 1], second.kept_sets[stage - 1])
        yield _row(first, second, stage, metric, values, bound(stage))


def compare_clusters(first: RunFile, second: RunFile, *metrics: str) -> Iterator[Row]:
    """Metrics of clusters, from one count: the first run is the finer; a row a stage and metric."""
    same_images(first, second)
    for stage in range(1, first.num_stages + 1):
        scores = clustering_scores(first.patterns.clusters[stage - 1], second.patterns.clusters[stage - 1])
        for metric in metrics:
            yield _row(first, second, stage, metric, scores[metric], None)


def _row(
    first: RunFile, second: RunFile, stage: int, metric: str, values: NDArray, bound: float | None
) -> Row:
    fixed = {"stage": stage, "metric": metric, "bound": bound, "dropped": None}
    return pair(first.run, second.run) | fixed | statistics(values)
