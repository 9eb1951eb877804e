"""A study's performance beside that of another, or beside the published numbers."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokred.artifacts import style
from tokred.comparison.studies import compare_studies
from tokred.methods.registry import METHODS
from tokred.study.view import View


def draw(tables: Mapping[str, pd.DataFrame], view: View) -> Figure:
    """Average ranks, and performance where both have the same cells, else what reduction costs.

    What lies on the diagonal is the same in both.
    """
    found = compare_studies(tables["scores"], tables["reference"])
    fig = style.figure(style.WIDE, 3.7)
    left, right = fig.subplots(1, 2)
    ranks = found.methods.rename(columns={"rank": "score"}).reset_index()
    _points(left, ranks)
    left.set_title(f"average rank (Spearman {style.number(found.correlation)})", loc="left")
    if len(found.cells):
        _points(right, found.cells)
        right.set_title("performance (%), a point a model", loc="left")
    else:
        _points(right, found.losses)
        right.set_title("difference to unreduced (points), a point a keep rate", loc="left")
    for axes in (left, right):
        axes.set(xlabel=str(view.reference), ylabel=f"study {view.study}", aspect="equal")
        axes.axline((0, 0), slope=1, **style.BOUND)
    style.method_legend(fig, {*found.methods.index, *found.cells["method"]}, bound="the same")
    return fig


def _points(axes: Axes, rows: pd.DataFrame) -> None:
    """The reference across, this study up; both axes alike."""
    for name in METHODS:
        chosen = rows[rows["method"] == name]
        if len(chosen):
            axes.plot(
                chosen["reference"], chosen["score"], **style.method_line(name), linestyle="", alpha=0.85
            )
    values = rows[["reference", "score"]]
    low, high = values.min(axis=None), values.max(axis=None)
    margin = 0.06 * (high - low) or 1.0
    axes.set(xlim=(low - margin, high + margin), ylim=(low - margin, high + margin))
