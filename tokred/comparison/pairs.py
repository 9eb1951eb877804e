"""Metrics of a pair of runs on the same images, for every stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from numpy.typing import NDArray

from tokred.comparison.runs import RunFile, pair, same_images, statistics
from tokred.metrics.clusterings import entropies
from tokred.metrics.registry import METRICS
from tokred.metrics.sets import degenerate
from tokred.run import Run

#: A row of a result table: values by column.
TableRow = dict[str, object]
#: Function that returns the lower bound of a metric at a stage, or None.
Bound = Callable[[int], float | None]
#: A pair of runs is degenerate if its patterns are so in more than this fraction of the images.
_DEGENERATE_FROM = 0.5


def compare_kept(
    first: RunFile, second: RunFile, metric: str, bound: Bound = lambda stage: None
) -> Iterator[TableRow]:
    """A metric of kept tokens with its chance level: mean and standard deviation over images, by stage."""
    same_images(first, second)
    value, expected = METRICS[metric].load(), METRICS[metric].load_expected()
    for stage in range(1, first.num_stages + 1):
        sets = first.kept_sets[stage - 1], second.kept_sets[stage - 1]
        values = statistics(value(*sets)) | chance_columns(expected(*sets), degenerate(*sets))
        yield pair_row(first.run, second.run, stage, metric, values, bound=bound(stage))


def compare_clusters(first: RunFile, second: RunFile, *metrics: str) -> Iterator[TableRow]:
    """Metrics of clusters and their chance levels: one row per stage and metric.

    The first run has the finer clusters; its tokens are permuted for the chance level. Dropped tokens are one
    more cluster. The entropies are computed once for all metrics.
    """
    same_images(first, second)
    for index in range(first.num_stages):
        finer, coarser = first.partitions[index], second.partitions[index]
        observed = entropies(finer, coarser)
        by_chance = observed.by_chance(first.permuted_partitions[index], coarser)
        for metric in metrics:
            value = METRICS[metric].load()
            values = statistics(value(observed)) | chance_columns(value(by_chance), observed.degenerate)
            yield pair_row(first.run, second.run, index + 1, metric, values)


def chance_columns(chance: NDArray[Any], degenerate: NDArray[Any]) -> dict[str, object]:
    """Columns `chance` and `degenerate` of a pair, from the (n,) chance levels and flags of its images."""
    return {"chance": float(chance.mean()), "degenerate": bool(degenerate.mean() > _DEGENERATE_FROM)}


def pair_row(
    first: Run,
    second: Run,
    stage: int,
    metric: str,
    values: dict[str, object],
    *,
    bound: float | None = None,
    dropped: int | None = None,
) -> TableRow:
    """A row of `schemas.PAIRS`.

    Args:
        values: columns `mean`, `std` and `n`; `chance` and `degenerate` if the metric has a chance level.
    """
    fixed = {"stage": stage, "metric": metric, "bound": bound, "dropped": dropped}
    return pair(first, second) | fixed | {"chance": None, "degenerate": False} | values
