"""Are average patterns consistent across data sets? (paper section 5.3)"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import pandas as pd

from tokred.comparison.pairs import TableRow, pair_row
from tokred.comparison.runs import Files
from tokred.metrics.registry import METRICS
from tokred.run import RUN_COLUMNS, UNREDUCED, Run
from tokred.tables import schemas


def compare(inputs: Files, grid: Sequence[int]) -> Iterator[TableRow]:
    """Every metric of depth maps for every pair of data sets of a backbone, method and keep rate.

    Args:
        grid: (rows, columns) of input tokens.
    """
    rows, columns = grid
    return compare_maps(schemas.read(inputs["depth"], schemas.DEPTH), (rows, columns))


def compare_maps(maps: pd.DataFrame, grid: tuple[int, int]) -> Iterator[TableRow]:
    """Every metric of depth maps for every pair of data sets of a backbone, method and keep rate.

    Args:
        maps: depth maps, rows of `schemas.DEPTH`.
        grid: (rows, columns) of input tokens.
    """
    runs = {
        Run(*key): rows.sort_values("token")["depth"].to_numpy()
        for key, rows in maps[maps["method"] != UNREDUCED].groupby(list(RUN_COLUMNS))
    }
    for first, second in combinations(sorted(runs), 2):
        if first.dataset == second.dataset or _rest(first) != _rest(second):
            continue
        for metric in (metric for metric in METRICS.values() if metric.kind == "maps"):
            value = metric.load()(runs[first], runs[second], grid)
            yield pair_row(first, second, 0, metric.name, {"mean": float(value), "std": None, "n": 1})


def _rest(run: Run) -> tuple[object, ...]:
    return (run.backbone, run.method, run.keep_rate, run.seed)
