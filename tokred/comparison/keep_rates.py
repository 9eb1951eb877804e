"""Are patterns consistent across keep rates? (paper section 5.1)"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from tokred.comparison.pairs import TableRow, compare_clusters, compare_kept
from tokred.comparison.runs import Files, RunFile, groups, open_runs
from tokred.metrics.lower_bounds import ioa_lower_bound


def compare(inputs: Files) -> Iterator[TableRow]:
    """For each method, all keep rates r1 > r2: IoA of kept tokens, homogeneity, completeness of clusters."""
    reduced = [file for file in open_runs(inputs["patterns"]) if file.method.target]
    for group in groups(reduced, "method", parts=["survived", "cluster"]):
        for low, high in combinations(group, 2):  # sorted by identity, so by rising keep rate
            if low.run.keep_rate != high.run.keep_rate:
                yield from _compare(high, low)


def _compare(high: RunFile, low: RunFile) -> Iterator[TableRow]:
    def bound(stage: int) -> float | None:
        if low.method.dynamic:
            return None
        return ioa_lower_bound(low.num_tokens, high.budget(stage), low.budget(stage))

    if low.method.kept:
        yield from compare_kept(high, low, "ioa", bound)
    if low.method.clusters:
        yield from compare_clusters(high, low, "homogeneity", "completeness")
