"""Accuracies without training on ImageNet, beside published ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from tokred.artifacts.style import percent
from tokred.methods.registry import METHODS
from tokred.presentation.table import Table
from tokred.published import SOURCES
from tokred.run import UNREDUCED, UNREDUCED_RATE
from tokred.study.view import View

_PUBLISHED, _HERE = "Published", "This study"


def make(tables: Mapping[str, pd.DataFrame], view: View) -> Table:
    """One row per published accuracy of the study's backbones, by backbone and falling cost."""
    published = tables["off_the_shelf"]
    scores = tables["scores"].set_index(["dataset", "backbone", "method", "keep_rate"])["score"]
    order = published["backbone"].map(list(view.backbones).index)
    columns = ["dataset", "order", "gmacs"]
    published = published.assign(order=order).sort_values(columns, ascending=[True, True, False])
    several = published["dataset"].nunique() > 1
    labels = [_label(row, view, several) for row in published.to_dict("records")]
    cells = [_cells(row, scores) for row in published.to_dict("records")]
    values = pd.DataFrame(cells, index=labels)
    values.columns = pd.MultiIndex.from_tuples(values.columns)
    named = sorted(published["source"].unique())
    sources = "; ".join(f"{name}: {SOURCES[name]}" for name in named)
    note = (
        "Top-1 accuracy in percent, and its difference to the unreduced model (change) in points. The "
        "study's runs are those of the same method whose multiply-accumulates are nearest, if within 5 %. "
        f"{sources}."
    )
    return Table("Published accuracies without training", note, values, corner="model")


def _label(row: Mapping[str, Any], view: View, several: bool) -> str:
    """Backbone, method and setting, and the data set where there are several."""
    where = f"{view.datasets[row['dataset']]}, " if several else ""
    method = METHODS[row["method"]].label if row["method"] in METHODS else row["method"]
    return f"{where}{view.backbones[row['backbone']]} {method}, {row['setting']}"


def _cells(row: Mapping[str, Any], scores: pd.Series) -> dict[tuple[str, str], Any]:
    """The cells of a row, by column."""
    here, unreduced = float("nan"), float("nan")
    if row["keep_rate"]:
        model = row["dataset"], row["backbone"]
        here = scores[*model, row["method"], row["keep_rate"]]
        unreduced = scores[*model, UNREDUCED, UNREDUCED_RATE]
    return {
        (_PUBLISHED, "GMACs"): row["gmacs"],
        (_PUBLISHED, "top-1"): row["score"],
        (_PUBLISHED, "change"): row["score"] - row["unreduced"],
        (_PUBLISHED, "source"): row["source"],
        (_HERE, "keep rate"): f"{percent(row['keep_rate'])}%" if row["keep_rate"] else "-",
        (_HERE, "GMACs"): row["own_gmacs"],
        (_HERE, "top-1"): here,
        (_HERE, "change"): here - unreduced,
    }
