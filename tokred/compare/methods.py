"""How alike are the patterns of different methods? (paper section 5.5)"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tokred.compare.anchors import PATTERN_ANCHORS
from tokred.compare.pairs import Row, compare_clusters, compare_kept
from tokred.compare.runs import RunFile


def compare(files: Iterable[RunFile]) -> Iterator[Row]:
    """IoU with Top-K of all methods with kept tokens, NMI with K-Medoids of all with clusters."""
    reduced = [file for file in files if file.method.target]
    for anchor in reduced:
        for other in reduced:
            if other is anchor or other.run.keep_rate != anchor.run.keep_rate:
                continue
            if anchor.run.method == PATTERN_ANCHORS["iou"] and other.method.kept:
                yield from compare_kept(anchor, other, "iou")
            if anchor.run.method == PATTERN_ANCHORS["nmi"] and other.method.clusters:
                yield from compare_clusters(anchor, other, "nmi")
