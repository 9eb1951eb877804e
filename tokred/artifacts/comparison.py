"""Performance of a study compared with that of another, or with the published numbers."""

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
    """Average ranks, and performance of the models that both studies have.

    If they have no models in common, the loss in performance by reduction takes its place. Points on the
    diagonal are equal in both studies.
    """
    result = compare_studies(tables["scores"], tables["reference"])
    fig = style.figure(style.WIDE, 3.7)
    left, right = fig.subplots(1, 2)
    ranks = result.methods.rename(columns={"rank": "score"}).reset_index()
    _points(left, ranks)
    left.set_title(f"average rank (Spearman {style.number(result.correlation)})", loc="left")
    if len(result.cells):
        _points(right, result.cells)
        right.set_title("performance (%), one point per model", loc="left")
    else:
        _points(right, result.losses)
        right.set_title("difference to unreduced (points), one per keep rate", loc="left")
    for axes in (left, right):
        axes.set(xlabel=str(view.reference), ylabel=f"study {view.study}", aspect="equal")
        axes.axline((0, 0), slope=1, **style.BOUND)
    style.method_legend(fig, {*result.methods.index, *result.cells["method"]}, bound="the same")
    return fig


def _points(axes: Axes, rows: pd.DataFrame) -> None:
    """The reference on the x axis, this study on the y axis, with the same limits."""
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
