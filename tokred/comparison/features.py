"""How alike are the CLS features of different methods? (paper section 5.5)"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from tokred.comparison.anchors import FEATURE_ANCHORS
from tokred.comparison.pairs import Row, pair_row
from tokred.comparison.runs import Files, RunFile, groups, open_runs, same_images
from tokred.metrics.moments import Moments, RunningMoments
from tokred.metrics.registry import METRICS
from tokred.run import UNREDUCED
from tokred.tables import parquet
from tokred.tables.patterns import fixed_lists

#: Images read at a time: of fourteen models they take little memory, and still make large products.
_BATCH = 1024


def compare(inputs: Files) -> Iterator[Row]:
    """All metrics of CLS features between the anchors and all methods of the same keep rate.

    The unreduced model is an anchor of every keep rate, and is itself compared to no anchor (paper section
    5.5, as published).

    There is one row per stage, and one for the last block (stage S + 1). One pass over the features of a
    keep rate at a stage serves all anchors.
    """
    files = open_runs(inputs["cls_features"])
    unreduced = [file for file in files if file.run.method == UNREDUCED]
    reduced = [file for file in files if file.run.method != UNREDUCED]
    for group in groups(reduced, "keep_rate", parts=[]):
        yield from _compare([*unreduced, *group])


def _compare(files: Sequence[RunFile]) -> Iterator[Row]:
    """Rows of the unreduced model and the methods of one keep rate."""
    anchors = [file for file in files if file.run.method in FEATURE_ANCHORS]
    pairs = [(anchor, other) for anchor in anchors for other in files if _compared(anchor, other)]
    for anchor, other in pairs:
        same_images(anchor, other)
    for stage in range(1, files[0].num_stages + 2):
        running = moments_of(pairs, stage)
        for anchor, other in pairs:
            yield from _rows(anchor, other, stage, running.moments(anchor.path, other.path))


def _compared(anchor: RunFile, other: RunFile) -> bool:
    """Whether the other is among those that an anchor is compared to; the unreduced model never is."""
    return anchor is not other and other.run.method != UNREDUCED


def moments_of(pairs: Sequence[tuple[RunFile, RunFile]], stage: int) -> RunningMoments:
    """Moments of pairs of runs at a stage, in one pass over all of them."""
    files = list({file.path: file for pair in pairs for file in pair}.values())
    running = RunningMoments((anchor.path, other.path) for anchor, other in pairs)
    for batches in zip(*(_batches(file, stage) for file in files), strict=True):
        running.update({file.path: batch for file, batch in zip(files, batches, strict=True)})
    return running


def _batches(file: RunFile, stage: int) -> Iterator[NDArray[Any]]:
    """(m, D) features of a run at a stage, batch by batch."""
    name = f"cls_{stage}"
    with parquet.opened(file.path, "features", [name]) as stored:
        for batch in stored.iter_batches(batch_size=_BATCH, columns=[name], use_threads=False):
            yield fixed_lists(pa.Table.from_batches([batch]), name)


def _rows(anchor: RunFile, other: RunFile, stage: int, shared: Moments) -> Iterator[Row]:
    for metric in (metric for metric in METRICS.values() if metric.kind == "features"):
        value, dropped = metric.load()(shared)
        found = {"mean": value, "std": None, "n": shared.n}
        yield pair_row(anchor.run, other.run, stage, metric.name, found, dropped=dropped)
