"""Do methods keep the object? Kept tokens and clusters against object masks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokred.comparison.pairs import TableRow
from tokred.comparison.runs import Files, RunFile, groups, open_runs, statistics
from tokred.data.image_table import ImageTable, check_table
from tokred.data.masks import token_masks
from tokred.metrics.registry import METRICS
from tokred.run import RUN_COLUMNS
from tokred.tables.registry import TEST_IMAGES


def compare(inputs: Files, dataset: str, size: int, crop_pct: float | None) -> Iterator[TableRow]:
    """Kept tokens and clusters against the masks of a data set's test split, see `compare_with_masks`."""
    (table,) = inputs[TEST_IMAGES]
    check_table(table, dataset, "test")
    return compare_with_masks(open_runs(inputs["patterns"]), table, size, crop_pct)


def compare_with_masks(
    files: Iterable[RunFile], table: str, size: int, crop_pct: float | None
) -> Iterator[TableRow]:
    """Rows of `schemas.OBJECT_RECALL`: object recall of runs that prune, object purity of runs that merge.

    Images without a token that shows the object are left out.

    Args:
        files: pattern tables of runs on one data set.
        table: the image table of its test split, with masks.
        size, crop_pct: of the evaluation transform, see `tokred.data.resize`.

    Raises:
        ValueError: a run has other images than the table, or no image has a token that shows an object.
    """
    ids: NDArray[Any] = ImageTable(table).image_ids
    objects: dict[tuple[int, int], NDArray[Any]] = {}
    for (file,) in groups(files, *RUN_COLUMNS, parts=("survived", "cluster")):
        if not file.method.target:
            continue
        if not np.array_equal(file.image_ids.to_numpy(zero_copy_only=False), ids):
            raise ValueError(f"{file.path}: is of other images than {table}; extract the run again")
        grid = file.grid
        if grid not in objects:
            objects[grid] = token_masks(table, grid, size, crop_pct)
            if not objects[grid].any():
                raise ValueError(f"{table}: no mask of {len(ids):,} images shows an object")
        yield from _rows(file, objects[grid])


def _rows(file: RunFile, objects: NDArray[Any]) -> Iterator[TableRow]:
    """One row per stage."""
    shown = objects.any(axis=1)
    metric = METRICS["object_purity" if file.method.clusters else "object_recall"]
    compute, expected = metric.load(), metric.load_expected()
    for stage in range(1, file.num_stages + 1):
        pattern = file.clusters[stage - 1] if file.method.clusters else file.patterns.kept(stage)
        yield {
            **asdict(file.run),
            "stage": stage,
            "metric": metric.name,
            **statistics(compute(pattern[shown], objects[shown])),
            "chance": float(expected(pattern[shown], objects[shown]).mean()),
            "left_out": int((~shown).sum()),
        }
