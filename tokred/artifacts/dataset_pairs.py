"""Panels of figures that compare depth maps across data sets (Figures 5 and 12)."""

from __future__ import annotations

from itertools import combinations

import pandas as pd
from matplotlib.axes import Axes

from tokred.artifacts import style
from tokred.artifacts.view import View
from tokred.methods.registry import METHODS


def pairs(view: View) -> list[tuple[str, str]]:
    """Pairs of data sets in the order of the comparison's columns."""
    return list(combinations(sorted(view.datasets), 2))


def draw_panel(axes: Axes, rows: pd.DataFrame, view: View, metric: str, pair: tuple[str, str]) -> None:
    """A line a method over keep rates, averaged over whatever backbones the rows are of."""
    of_pair = rows[(rows["dataset"] == pair[0]) & (rows["other_dataset"] == pair[1])]
    chosen = of_pair[of_pair["metric"] == metric]
    for name in METHODS:
        mean = chosen[chosen["method"] == name].groupby("keep_rate")["mean"].mean().reindex(view.keep_rates)
        if mean.notna().any():
            axes.plot(range(len(view.keep_rates)), mean, **style.method_line(name))
    axes.set_xticks(range(len(view.keep_rates)), [style.percent(rate) for rate in view.keep_rates])
    axes.set_xlim(-0.5, len(view.keep_rates) - 0.5)
