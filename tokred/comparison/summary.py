"""Statistics of single patterns: actual keep rates, depth, non-empty clusters, assignment margins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokred.comparison.pairs import TableRow
from tokred.comparison.runs import Files, RunFile, groups, open_runs, statistics
from tokred.metrics.depth import block_counts, count_levels
from tokred.run import RUN_COLUMNS
from tokred.tables import patterns
from tokred.tables.patterns import count_clusters


def summarize(inputs: Files) -> tuple[list[TableRow], list[TableRow]]:
    """Rows of the tables `summary` and `depth`, see `summarize_runs`."""
    return summarize_runs(open_runs(inputs["patterns"]))


def summarize_runs(files: Iterable[RunFile]) -> tuple[list[TableRow], list[TableRow]]:
    """Statistics of every run's patterns, in one pass over them.

    Returns:
        Rows of `schemas.SUMMARY`: actual keep rate of every stage, depth of the whole pattern, fraction of
        non-empty clusters and mean margin of every stage; and rows of `schemas.DEPTH`: the dataset-averaged
        depth map of every run with kept tokens.
    """
    summary, depth = [], []
    for (file,) in groups(files, *RUN_COLUMNS, parts=patterns.PARTS):
        stages = range(1, file.num_stages + 1)
        survived, margin = file.patterns.survived, file.patterns.margin
        if survived is not None:
            blocks, counts = _blocks(file), count_levels(survived, file.num_stages + 1)
            for stage in stages:
                summary.append(_row(file, stage, "actual_keep_rate", counts.actual_keep_rate(stage)))
            summary.append(_row(file, 0, "depth", counts.mean_depth(blocks)))
            depth += _depth_rows(file, counts.depth_map(blocks))
        for stage, labels in enumerate(file.patterns.clusters or [], 1):
            filled = count_clusters(labels) / file.budget(stage)
            summary.append(_row(file, stage, "non_empty_clusters", filled))
        if margin is not None:
            for stage in stages:
                summary.append(_row(file, stage, "margin", margin[:, stage - 1].astype(np.float64)))
    return summary, depth


def _depth_rows(file: RunFile, depth_map: NDArray[Any]) -> list[TableRow]:
    """One row per token."""
    return [asdict(file.run) | {"token": t, "depth": float(depth)} for t, depth in enumerate(depth_map)]


def _blocks(file: RunFile) -> NDArray[Any]:
    return block_counts(file.locations, int(file.facts["depth"]))


def _row(file: RunFile, stage: int, metric: str, values: NDArray[Any]) -> TableRow:
    return asdict(file.run) | {"stage": stage, "metric": metric} | statistics(values)
