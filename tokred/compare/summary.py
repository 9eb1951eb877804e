"""What single patterns are like: actual keep rates, depth, margins of soft assignments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict

import numpy as np

from tokred.compare.pairs import Row
from tokred.compare.runs import RunFile, statistics
from tokred.metrics.depth import actual_keep_rate, block_counts, depth_statistics


def summary_rows(files: Iterable[RunFile]) -> Iterator[Row]:
    """Actual keep rate of every stage, depth of the whole pattern, mean margin of every stage."""
    for file in files:
        stages = range(1, file.num_stages + 1)
        survived, margin = file.patterns.survived, file.patterns.margin
        if survived is not None:
            for stage in stages:
                yield _row(file, stage, "actual_keep_rate", actual_keep_rate(survived, stage))
            yield _row(file, 0, "depth", depth_statistics(survived, _blocks(file))[1])
        if margin is not None:
            for stage in stages:
                yield _row(file, stage, "margin", margin[:, stage - 1].astype(np.float64))


def depth_rows(files: Iterable[RunFile]) -> Iterator[Row]:
    """Dataset-averaged depth map of every run with kept tokens: a row a token."""
    for file in files:
        if file.patterns.survived is not None:
            depth_map, _ = depth_statistics(file.patterns.survived, _blocks(file))
            for token, depth in enumerate(depth_map):
                yield asdict(file.run) | {"token": token, "depth": float(depth)}


def _blocks(file: RunFile) -> np.ndarray:
    return block_counts(file.facts["locations"], file.facts["depth"])


def _row(file: RunFile, stage: int, metric: str, values: np.ndarray) -> Row:
    return asdict(file.run) | {"stage": stage, "metric": metric} | statistics(values)
