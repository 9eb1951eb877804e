"""Does a reduced model predict what the unreduced one predicts?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tokred.comparison.pairs import TableRow
from tokred.comparison.runs import Files, RunFile, open_runs, same_images, statistics
from tokred.metrics.predictions import label_agreement
from tokred.run import UNREDUCED
from tokred.tables import parquet
from tokred.tables.patterns import fixed_lists

#: Images per batch: those of all runs of a slice are in memory at once.
_BATCH = 512


def compare(inputs: Files) -> Iterator[TableRow]:
    """Agreement of every reduced run with the unreduced one of its slice, as rows of `schemas.AGREEMENT`.

    Images without a label are left out.

    Raises:
        ValueError: there is not exactly one unreduced run, or runs have different images.
    """
    files = open_runs(inputs["predictions"])
    unreduced = [file for file in files if file.run.method == UNREDUCED]
    if len(unreduced) != 1:
        raise ValueError(f"{len(unreduced)} unreduced runs among {len(files)} files: expected one")
    reduced = [file for file in files if file.run.method != UNREDUCED]
    for file in reduced:
        same_images(unreduced[0], file)
    values = _agreements(unreduced[0], reduced)
    for file, of_run in zip(reduced, values, strict=True):
        yield asdict(file.run) | {"metric": "label_agreement"} | statistics(of_run)


def _agreements(unreduced: RunFile, reduced: Sequence[RunFile]) -> list[NDArray[Any]]:
    """(n,) agreement of each run with the unreduced one, over images with labels; files are read once."""
    parts: list[list[NDArray[Any]]] = [[] for _ in reduced]
    for first, *others in zip(*(_batches(file) for file in [unreduced, *reduced]), strict=True):
        counts, logits = first
        labeled = counts > 0
        for values, (_, of_run) in zip(parts, others, strict=True):
            values.append(label_agreement(logits[labeled], of_run[labeled], counts[labeled]))
    return [np.concatenate([np.empty(0), *values]) for values in parts]


def _batches(file: RunFile) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """(m,) numbers of labels and (m, C) logits of the images of a run, batch by batch."""
    columns = ["label", "logits"]
    with parquet.opened(file.path, "predictions", columns) as stored:
        for batch in stored.iter_batches(batch_size=_BATCH, columns=columns, use_threads=False):
            table = pa.Table.from_batches([batch])
            yield _counts(table["label"]), fixed_lists(table, "logits")


def _counts(labels: pa.ChunkedArray) -> NDArray[Any]:
    """(m,) number of labels of each image, which has one or a list of them."""
    if pa.types.is_list(labels.type):
        return pc.list_value_length(labels).to_numpy()
    return np.ones(len(labels), dtype=np.int64)
