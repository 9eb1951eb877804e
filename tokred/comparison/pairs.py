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

Row = dict[str, object]
#: Lower bound of a metric at a stage, None where there is none.
Bound = Callable[[int], float | None]
#: A pair of runs is degenerate if it is so in more than this part of the images.
_DEGENERATE_FROM = 0.5


def compare_kept(
    first: RunFile, second: RunFile, metric: str, bound: Bound = lambda stage: None
) -> Iterator[Row]:
    """A metric of kept tokens with its chance level: mean and standard deviation over images, by stage."""
    same_images(first, second)
    value, expected = METRICS[metric].load(), METRICS[metric].load_expected()
    for stage in range(1, first.num_stages + 1):
        sets = first.kept_sets[stage - 1], second.kept_sets[stage - 1]
        found = statistics(value(*sets)) | chance_columns(expected(*sets), degenerate(*sets))
        yield pair_row(first.run, second.run, stage, metric, found, bound=bound(stage))


def compare_clusters(first: RunFile, second: RunFile, *metrics: str) -> Iterator[Row]:
    """Metrics of clusters and their chance levels, from one count; a row a stage and metric.

    The first run is the finer, and the one whose tokens are permuted for the chance level.
    """
    same_images(first, second)
    for place in range(first.num_stages):
        finer, coarser = first.clusters[place], second.clusters[place]
        observed = entropies(finer, coarser)
        by_chance = observed.by_chance(first.permuted_clusters[place], coarser)
        for metric in metrics:
            value = METRICS[metric].load()
            found = statistics(value(observed)) | chance_columns(value(by_chance), observed.degenerate)
            yield pair_row(first.run, second.run, place + 1, metric, found)


def chance_columns(chance: NDArray[Any], degenerate: NDArray[Any]) -> dict[str, object]:
    """Columns `chance` and `degenerate` of a pair, from (n,) chance levels and flags of its images."""
    return {"chance": float(chance.mean()), "degenerate": bool(degenerate.mean() > _DEGENERATE_FROM)}


def pair_row(
    first: Run,
    second: Run,
    stage: int,
    metric: str,
    found: dict[str, object],
    *,
    bound: float | None = None,
    dropped: int | None = None,
) -> Row:
    """A row of `tables.PAIRS`.

    Args:
        found: columns `mean`, `std` and `n`; `chance` and `degenerate` where the metric has a chance level.
    """
    fixed = {"stage": stage, "metric": metric, "bound": bound, "dropped": dropped}
    return pair(first, second) | fixed | {"chance": None, "degenerate": False} | found
