"""Tables 1 and 7: performance of every method, for one backbone."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from tokred.artifacts.style import percent
from tokred.methods.registry import METHODS
from tokred.presentation.table import Table
from tokred.run import UNREDUCED, UNREDUCED_RATE
from tokred.statistics.intervals import describe, mean_and_half_width
from tokred.study.view import View

_NOTE = (
    "Percent on the test split. **Bold**: above the unreduced model. ¹²³: the three best of a column, "
    "₁₂₃: the three worst (₁ the worst)."
)


def backbone_order(view: View) -> list[str]:
    """Backbones in the order of the tables: the middle one (of two the larger), then by falling capacity."""
    names = list(view.backbones)
    middle = names[len(names) // 2]
    return [middle, *(name for name in reversed(names) if name != middle)]


def make(tables: Mapping[str, pd.DataFrame], view: View, position: int) -> Table:
    """The table of the backbone at a position of `backbone_order`; seeds are averaged.

    Args:
        tables: "scores".
        view: the study.
        position: index of the backbone.
    """
    scores = tables["scores"]
    backbone = backbone_order(view)[position]
    chosen = scores[scores["backbone"] == backbone]
    mean = chosen.groupby(["method", "dataset", "keep_rate"])["score"].mean()
    names = [UNREDUCED, *view.methods]
    columns = [(dataset, rate) for dataset in view.datasets for rate in view.keep_rates]
    values = pd.DataFrame(index=names, columns=pd.MultiIndex.from_tuples(columns), dtype=float)
    for dataset, rate in columns:
        for name in view.methods:
            values.loc[name, (dataset, rate)] = mean.get((name, dataset, rate))
        values.loc[UNREDUCED, (dataset, rate)] = mean.get((UNREDUCED, dataset, UNREDUCED_RATE))
    half = _half_widths(chosen, values) if view.table_intervals else None
    bold = values.gt(values.loc[UNREDUCED], axis=1)
    mark = pd.DataFrame(0, index=values.index, columns=values.columns)
    for column in values.columns:
        mark[column] = _marks(values[column].drop(UNREDUCED)).reindex(values.index, fill_value=0)
    return _labeled(f"Performance with {view.backbones[backbone]}", values, bold, mark, half, view)


def _half_widths(scores: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    """Half the width of the interval of each number; that of the unreduced model is in every column."""
    groups = scores.groupby(["method", "dataset", "keep_rate"])
    half_widths = {key: mean_and_half_width(rows, "score", "std_error")[1] for key, rows in groups}
    half = pd.DataFrame(index=values.index, columns=values.columns, dtype=float)
    for dataset, rate in values.columns:
        for name in values.index:
            rate_of_run = UNREDUCED_RATE if name == UNREDUCED else rate
            half.loc[name, (dataset, rate)] = half_widths.get((name, dataset, rate_of_run))
    return half


def _marks(column: pd.Series) -> pd.Series:
    """1, 2, 3 for the three best, -1, -2, -3 for the three worst; of equal values the first is better.

    In a column with fewer than six values, a value that is among both is marked as one of the best.
    """
    order = column.dropna().sort_values(ascending=False, kind="stable").index
    marks = dict(zip(reversed(order), (-1, -2, -3), strict=False))
    return pd.Series({**marks, **dict(zip(order, (1, 2, 3), strict=False))}, dtype=int)


def _labeled(
    title: str,
    values: pd.DataFrame,
    bold: pd.DataFrame,
    mark: pd.DataFrame,
    half: pd.DataFrame | None,
    view: View,
) -> Table:
    """The table, with the names of methods and data sets replaced by their labels."""
    labels = {name: METHODS[name].label for name in values.index}
    columns = pd.MultiIndex.from_tuples(
        [(view.datasets[dataset], f"{percent(rate)}%") for dataset, rate in values.columns]
    )
    parts = {"values": values, "bold": bold, "mark": mark, "half_width": half}
    frames = {
        name: part.rename(index=labels).set_axis(columns, axis=1)
        for name, part in parts.items()
        if part is not None
    }
    plain = {METHODS[name].label: METHODS[name].plain_label for name in values.index}
    note = _NOTE if half is None else f"{_NOTE} ±: {describe(len(view.seeds))}."
    return Table(title, note, **frames, plain_index=plain)
