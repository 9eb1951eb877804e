"""How alike are the CLS features of different methods? (paper section 5.5)"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow.parquet as pq

from tokred.compare.anchors import FEATURE_ANCHORS, UNREDUCED_FROM
from tokred.compare.pairs import Row
from tokred.compare.runs import RunFile, pair
from tokred.metrics.moments import moments, normalize
from tokred.metrics.registry import METRICS
from tokred.patterns import fixed_lists
from tokred.run import UNREDUCED


def compare(files: Iterable[RunFile]) -> Iterator[Row]:
    """All metrics of CLS features between the anchors and all methods of the same keep rate.

    A row a stage, and one for the last block (stage S + 1).
    """
    files = list(files)
    for anchor in (file for file in files if file.run.method in FEATURE_ANCHORS):
        others = [other for other in files if _compared(anchor, other)]
        for stage in range(1, anchor.num_stages + 2):
            features = _read(anchor, stage)
            for other in others:
                shared = moments(features, _read(other, stage))
                for metric in (metric for metric in METRICS.values() if metric.kind == "features"):
                    value, dropped = metric.load()(shared)
                    fixed = {"stage": stage, "metric": metric.name, "bound": None, "dropped": dropped}
                    statistics = {"mean": value, "std": None, "n": shared.n}
                    yield pair(anchor.run, other.run) | fixed | statistics


def _compared(anchor: RunFile, other: RunFile) -> bool:
    """Whether the other is among those that an anchor is compared to."""
    if anchor is other:
        return False
    if anchor.run.method == UNREDUCED:
        return True
    if other.run.method == UNREDUCED:
        return anchor.run.keep_rate >= UNREDUCED_FROM
    return anchor.run.keep_rate == other.run.keep_rate


def _read(file: RunFile, stage: int) -> object:
    """(n, D) normalised features of a run at a stage."""
    name = f"cls_{stage}"
    return normalize(fixed_lists(pq.read_table(file.path, columns=[name]), name))
