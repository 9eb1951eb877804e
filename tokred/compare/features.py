"""How alike are the CLS features of different methods? (paper section 5.5)"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tokred.compare.anchors import FEATURE_ANCHORS, UNREDUCED_FROM
from tokred.compare.pairs import Row
from tokred.compare.runs import RunFile, pair, same_images
from tokred.metrics.moment_stream import MomentStream
from tokred.metrics.registry import METRICS
from tokred.patterns import fixed_lists
from tokred.run import UNREDUCED

#: Images read at a time.
_BATCH = 4096


def compare(files: Iterable[RunFile]) -> Iterator[Row]:
    """All metrics of CLS features between the anchors and all methods of the same keep rate.

    A row a stage, and one for the last block (stage S + 1).
    """
    files = list(files)
    for anchor in (file for file in files if file.run.method in FEATURE_ANCHORS):
        others = [other for other in files if _compared(anchor, other)]
        for other in others:
            same_images(anchor, other)
        for stage in range(1, anchor.num_stages + 2):
            stream = _stream(anchor, others, stage)
            for other in others:
                yield from _rows(anchor, other, stage, stream)


def _compared(anchor: RunFile, other: RunFile) -> bool:
    """Whether the other is among those that an anchor is compared to."""
    if anchor is other:
        return False
    if anchor.run.method == UNREDUCED:
        return True
    if other.run.method == UNREDUCED:
        return anchor.run.keep_rate >= UNREDUCED_FROM
    return anchor.run.keep_rate == other.run.keep_rate


def _stream(anchor: RunFile, others: Sequence[RunFile], stage: int) -> MomentStream:
    """Moments of the anchor and the others at a stage, in one pass over all of them."""
    stream = MomentStream()
    for first, *rest in zip(*(_batches(file, stage) for file in (anchor, *others)), strict=True):
        stream.update(first, {other.path: batch for other, batch in zip(others, rest, strict=True)})
    return stream


def _batches(file: RunFile, stage: int) -> Iterator[NDArray]:
    """(m, D) features of a run at a stage, batch by batch."""
    name = f"cls_{stage}"
    with pq.ParquetFile(file.path) as stored:
        for batch in stored.iter_batches(batch_size=_BATCH, columns=[name]):
            yield fixed_lists(pa.Table.from_batches([batch]), name)


def _rows(anchor: RunFile, other: RunFile, stage: int, stream: MomentStream) -> Iterator[Row]:
    shared = stream.moments(other.path)
    for metric in (metric for metric in METRICS.values() if metric.kind == "features"):
        value, dropped = metric.load()(shared)
        fixed = {"stage": stage, "metric": metric.name, "bound": None, "dropped": dropped}
        yield pair(anchor.run, other.run) | fixed | {"mean": value, "std": None, "n": shared.n}
