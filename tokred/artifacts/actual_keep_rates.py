"""Actual keep rates of methods with a variable number of tokens (Figure 7)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tokred.artifacts import style
from tokred.artifacts.lines import with_intervals
from tokred.methods.registry import METHODS
from tokred.study.view import View

_MARKERS = "osD^vPX"


def draw(tables: Mapping[str, pd.DataFrame], view: View) -> Figure:
    """Actual keep rate over stages: a row per method, a column per data set, a line per nominal keep rate."""
    rows = tables["summary"]
    rows = rows[rows["metric"] == "actual_keep_rate"]
    names = [name for name in view.methods if METHODS[name].dynamic]
    fig = style.figure(min(style.WIDE, 1.2 + 2.2 * len(view.datasets)), 1.0 + 1.7 * len(names))
    panels = fig.subplots(len(names), len(view.datasets), sharex=True, sharey=True, squeeze=False)
    colors = mpl.colormaps["viridis"](np.linspace(0.05, 0.8, len(view.keep_rates)))
    stages = np.arange(1, len(view.locations) + 1)
    for name, line_of_panels in zip(names, panels, strict=True):
        for (dataset, label), axes in zip(view.datasets.items(), line_of_panels, strict=True):
            chosen = rows[(rows["method"] == name) & (rows["dataset"] == dataset)]
            for rate, color, marker in zip(view.keep_rates, colors, cycle(_MARKERS), strict=False):
                line = with_intervals(chosen[chosen["keep_rate"] == rate], ["stage"]).reindex(stages)
                if name not in view.scheduled:
                    axes.plot(stages, float(rate) ** stages, **{**style.BOUND, "color": color})
                style.line_with_intervals(axes, stages, line, color=color, marker=marker)
            axes.set_title(f"{METHODS[name].label}: {label}")
            axes.set_xticks(stages)
            style.unit_axis(axes)
        line_of_panels[0].set_ylabel("tokens kept / $P$")
    style.shared_xlabel(panels, "stage")
    handles = [
        Line2D([], [], color=color, marker=marker, label=f"$r$ = {style.percent(rate)} %")
        for rate, color, marker in zip(view.keep_rates, colors, cycle(_MARKERS), strict=False)
    ]
    handles.append(Line2D([], [], label="nominal $r^s$", **style.BOUND))
    fig.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    return fig
