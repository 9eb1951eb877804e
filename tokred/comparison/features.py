"""How similar are the CLS features of different methods? (paper section 5.5)"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from tokred.comparison.anchors import FEATURE_ANCHORS
from tokred.comparison.pairs import TableRow, pair_row
from tokred.comparison.runs import Files, RunFile, groups, open_runs, same_images
from tokred.metrics.covariance import Covariances, RunningCovariance
from tokred.metrics.registry import METRICS
from tokred.run import UNREDUCED
from tokred.tables import parquet
from tokred.tables.patterns import fixed_lists

#: Images per batch: small enough for the memory of fourteen models, large enough for efficient products.
_BATCH = 1024


def compare(inputs: Files) -> Iterator[TableRow]:
    """All metrics of CLS features between the reference methods and all methods of the same keep rate.

    The unreduced model is a reference at every keep rate, and is itself not compared to other references
    (paper section 5.5, as published).

    There is one row per stage, and one for the last block (stage S + 1). The features of a keep rate at a
    stage are read once for all references.
    """
    files = open_runs(inputs["cls_features"])
    unreduced = [file for file in files if file.run.method == UNREDUCED]
    reduced = [file for file in files if file.run.method != UNREDUCED]
    for group in groups(reduced, "keep_rate", parts=[]):
        yield from _compare([*unreduced, *group])


def _compare(files: Sequence[RunFile]) -> Iterator[TableRow]:
    """Rows of the unreduced model and the methods of one keep rate."""
    anchors = [file for file in files if file.run.method in FEATURE_ANCHORS]
    pairs = [(anchor, other) for anchor in anchors for other in files if _compared(anchor, other)]
    for anchor, other in pairs:
        same_images(anchor, other)
    for stage in range(1, files[0].num_stages + 2):
        running = accumulate_covariances(pairs, stage)
        for anchor, other in pairs:
            yield from _rows(anchor, other, stage, running.covariances(anchor.path, other.path))


def _compared(anchor: RunFile, other: RunFile) -> bool:
    """Whether a run is compared to a reference: all but the reference itself and the unreduced model."""
    return anchor is not other and other.run.method != UNREDUCED


def accumulate_covariances(pairs: Sequence[tuple[RunFile, RunFile]], stage: int) -> RunningCovariance:
    """Covariances of pairs of runs at a stage; the features of each run are read once."""
    files = list({file.path: file for pair in pairs for file in pair}.values())
    running = RunningCovariance((anchor.path, other.path) for anchor, other in pairs)
    for batches in zip(*(_batches(file, stage) for file in files), strict=True):
        running.update({file.path: batch for file, batch in zip(files, batches, strict=True)})
    return running


def _batches(file: RunFile, stage: int) -> Iterator[NDArray[Any]]:
    """(m, D) features of a run at a stage, batch by batch."""
    name = f"cls_{stage}"
    with parquet.opened(file.path, "features", [name]) as stored:
        for batch in stored.iter_batches(batch_size=_BATCH, columns=[name], use_threads=False):
            yield fixed_lists(pa.Table.from_batches([batch]), name)


def _rows(anchor: RunFile, other: RunFile, stage: int, pair: Covariances) -> Iterator[TableRow]:
    for metric in (metric for metric in METRICS.values() if metric.kind == "features"):
        value, dropped = metric.load()(pair)
        statistics = {"mean": value, "std": None, "n": pair.n}
        yield pair_row(anchor.run, other.run, stage, metric.name, statistics, dropped=dropped)
