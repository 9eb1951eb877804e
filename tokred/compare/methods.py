"""How alike are the patterns of different methods? (paper section 5.5)"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tokred.compare.anchors import PATTERN_ANCHORS
from tokred.compare.pairs import Row, compare_patterns
from tokred.compare.runs import RunFile


def compare(files: Iterable[RunFile]) -> Iterator[Row]:
    """IoU with Top-K of all methods with kept tokens, NMI with K-Medoids of all with clusters."""
    reduced = [file for file in files if file.method.target]
    for metric, name in PATTERN_ANCHORS.items():
        for anchor in (file for file in reduced if file.run.method == name):
            for other in reduced:
                has_metric = other.method.kept if metric == "iou" else other.method.clusters
                if other is not anchor and other.run.keep_rate == anchor.run.keep_rate and has_metric:
                    yield from compare_patterns(anchor, other, metric)
