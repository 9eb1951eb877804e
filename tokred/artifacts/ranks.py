"""Average rank of each method (Figure 1)."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from tokred.artifacts import style
from tokred.methods.registry import METHODS
from tokred.statistics.rank import average_rank
from tokred.study.view import View


def draw(tables: Mapping[str, pd.DataFrame], view: View) -> Figure:
    """Methods from best to worst, with one standard deviation over settings."""
    table = average_rank(tables["scores"])
    fig = style.figure(style.NARROW, 0.9 + 0.19 * len(table))
    axes = fig.subplots()
    for position, row in table.iterrows():
        method = METHODS[row["method"]]
        axes.errorbar(
            row["mean"],
            position,
            xerr=row["std"],
            color=method.color,
            marker=method.marker,
            capsize=2,
            markersize=5,
        )
    axes.set_yticks(range(len(table)), [METHODS[name].label for name in table["method"]])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("average rank (left is better)")
    axes.set_xlim(0, len(table) + 1)
    return fig
