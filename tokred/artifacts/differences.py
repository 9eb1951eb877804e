"""Differences in performance to another study, or to the published numbers, for each model."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from tokred.artifacts.style import percent
from tokred.comparison.studies import Comparison, compare_studies
from tokred.methods.registry import METHODS
from tokred.presentation.table import Table
from tokred.run import UNREDUCED_RATE
from tokred.study.view import View

#: Number of the largest disagreements that are in bold.
_NAMED = 3


def make(tables: Mapping[str, pd.DataFrame], view: View) -> Table:
    """One row per backbone and method if both studies have the same models, otherwise one row per method."""
    result = compare_studies(tables["scores"], tables["reference"])
    values = _cells(result, view) if len(result.cells) else _methods(result)
    numbers = values if len(result.cells) else values["Difference to unreduced"]
    largest = numbers.stack(list(range(numbers.columns.nlevels)), future_stack=True).abs().nlargest(_NAMED)
    bold = pd.DataFrame(False, index=values.index, columns=values.columns)
    for cell in largest.index:
        row, *column = cell
        bold.loc[row, tuple(column) if len(column) == 2 else ("Difference to unreduced", *column)] = True
    quantity = "performance" if len(result.cells) else "the difference to the unreduced model"
    note = (
        f"Study {view.study} minus {view.reference}, in points of {quantity}; **bold**: the "
        f"{len(largest)} largest disagreements. Spearman correlation of the average ranks of "
        f"{len(result.methods)} methods: {result.correlation:.2f}."
    )
    plain = {
        label: label.replace(m.label, m.plain_label)
        for label in values.index
        for m in METHODS.values()
        if "$" in m.label and m.label in label
    }
    return Table(f"Study {view.study} and {view.reference}", note, values, bold, plain_index=plain)


def _cells(result: Comparison, view: View) -> pd.DataFrame:
    """Differences of single models."""
    table = result.cells.set_index(["backbone", "method", "dataset", "keep_rate"])["difference"]
    rates = [UNREDUCED_RATE, *view.keep_rates]
    columns = [(dataset, rate) for dataset in view.datasets for rate in rates]
    rows = [(backbone, name) for backbone in view.backbones for name in METHODS]
    rows = [row for row in rows if row in table.index.droplevel(["dataset", "keep_rate"])]
    columns = [column for column in columns if column in table.index.droplevel(["backbone", "method"])]
    values = table.unstack(["dataset", "keep_rate"]).reindex(index=rows, columns=columns)
    values.index = [f"{view.backbones[backbone]} {METHODS[name].label}" for backbone, name in rows]
    values.columns = pd.MultiIndex.from_tuples(
        [(view.datasets[dataset], f"{percent(rate)}%") for dataset, rate in columns]
    )
    return values


def _methods(result: Comparison) -> pd.DataFrame:
    """Average ranks, and differences in the loss by reduction."""
    ranks = result.methods.rename(columns={"rank": "here", "reference": "there"})
    losses = result.losses.set_index(["method", "keep_rate"])["difference"].unstack("keep_rate")
    parts = {
        "Average rank": ranks,
        "Difference to unreduced": losses.rename(columns=lambda rate: f"{percent(rate)}%"),
    }
    values = pd.concat(parts, axis=1).reindex(ranks.index)
    return values.rename(index={name: METHODS[name].label for name in values.index})
