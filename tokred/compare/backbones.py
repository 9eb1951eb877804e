"""Do patterns stay when the backbone's capacity changes? (paper section 5.2)"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations

from tokred.compare.pairs import Row, compare_clusters, compare_kept
from tokred.compare.runs import RunFile
from tokred.metrics.lower_bounds import iou_lower_bound


def compare(files: Iterable[RunFile]) -> Iterator[Row]:
    """Every pair of backbones of a method and keep rate: IoU of kept tokens, NMI of clusters."""
    reduced = [file for file in files if file.method.target]
    for first, second in combinations(reduced, 2):
        same = (first.run.method, first.run.keep_rate) == (second.run.method, second.run.keep_rate)
        if not same or first.run.backbone == second.run.backbone:
            continue

        def bound(stage: int, first: RunFile = first) -> float | None:
            if first.method.dynamic:
                return None
            return iou_lower_bound(first.num_tokens, first.run.keep_rate, first.run.keep_rate, stage)

        if first.method.kept:
            yield from compare_kept(first, second, "iou", bound)
        if first.method.clusters:
            yield from compare_clusters(first, second, "nmi")
