"""Are patterns consistent across backbones of different capacity? (paper section 5.2)"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from tokred.comparison.pairs import TableRow, compare_clusters, compare_kept
from tokred.comparison.runs import Files, RunFile, groups, open_runs
from tokred.metrics.lower_bounds import iou_lower_bound


def compare(inputs: Files) -> Iterator[TableRow]:
    """For each method and keep rate, all pairs of backbones: IoU of kept tokens, NMI of clusters."""
    reduced = [file for file in open_runs(inputs["patterns"]) if file.method.target]
    for group in groups(reduced, "method", "keep_rate", parts=["survived", "cluster"]):
        for first, second in combinations(group, 2):
            if first.run.backbone != second.run.backbone:
                yield from _compare(first, second)


def _compare(first: RunFile, second: RunFile) -> Iterator[TableRow]:
    def bound(stage: int) -> float | None:
        if first.method.dynamic:
            return None
        return iou_lower_bound(first.num_tokens, first.budget(stage), second.budget(stage))

    if first.method.kept:
        yield from compare_kept(first, second, "iou", bound)
    if first.method.clusters:
        yield from compare_clusters(first, second, "nmi")
