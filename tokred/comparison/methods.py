"""How similar are the patterns of different methods? (paper section 5.5)"""

from __future__ import annotations

from collections.abc import Iterator

from tokred.comparison.anchors import PATTERN_ANCHORS
from tokred.comparison.pairs import TableRow, compare_clusters, compare_kept
from tokred.comparison.runs import Files, RunFile, groups, open_runs


def compare(inputs: Files) -> Iterator[TableRow]:
    """IoU with Top-K of all methods that have kept tokens, NMI with K-Medoids of all that have clusters."""
    reduced = [file for file in open_runs(inputs["patterns"]) if file.method.target]
    kept = [file for file in reduced if file.method.kept]
    for group in groups(kept, "keep_rate", parts=["survived"]):
        for anchor, other in _with_anchor(group, PATTERN_ANCHORS["iou"]):
            yield from compare_kept(anchor, other, "iou")
    clustered = [file for file in reduced if file.method.clusters]
    for group in groups(clustered, "keep_rate", parts=["cluster"]):
        for anchor, other in _with_anchor(group, PATTERN_ANCHORS["nmi"]):
            yield from compare_clusters(anchor, other, "nmi")


def _with_anchor(group: list[RunFile], method: str) -> Iterator[tuple[RunFile, RunFile]]:
    """Pairs of each run of the reference method with every other run."""
    for anchor in (file for file in group if file.run.method == method):
        yield from ((anchor, other) for other in group if other is not anchor)
