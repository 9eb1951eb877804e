"""Scatter plots of performance against similarity to a reference method (Figures 15 to 29)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokred.artifacts import style
from tokred.methods.registry import METHODS
from tokred.metrics.registry import METRICS
from tokred.statistics.correlation import spearman
from tokred.study.view import View

_KEY = ["dataset", "backbone", "method", "keep_rate", "seed"]


def draw(
    tables: Mapping[str, pd.DataFrame], view: View, pairs: str, measure: str, anchor: str, place: int
) -> Figure:
    """One row per data set, one column per stage, one point per method and keep rate.

    Args:
        tables: "scores", and the table with the measure.
        view: the study.
        pairs: name of the table with the measure.
        measure: name of the metric.
        anchor: name of the reference method.
        place: index of the backbone, by rising capacity.
    """
    backbone = list(view.backbones)[place]
    rows = tables[pairs]
    rows = rows[(rows["metric"] == measure) & (rows["method"] == anchor) & (rows["backbone"] == backbone)]
    performance = tables["scores"].set_index(_KEY)["score"]
    first = performance.loc[pd.MultiIndex.from_frame(rows[_KEY])].to_numpy()
    second = performance.loc[pd.MultiIndex.from_frame(rows[[f"other_{name}" for name in _KEY]])].to_numpy()
    rows = rows.assign(difference=first - second).dropna(subset=["mean"])
    stages = sorted(rows["stage"].unique())
    fig = style.figure(style.WIDE, 1.0 + 1.6 * len(view.datasets))
    panels = fig.subplots(len(view.datasets), len(stages), sharex="col", sharey="row", squeeze=False)
    for (dataset, label), line_of_panels in zip(view.datasets.items(), panels, strict=True):
        for stage, axes in zip(stages, line_of_panels, strict=True):
            _points(axes, rows[(rows["dataset"] == dataset) & (rows["stage"] == stage)])
        line_of_panels[0].set_ylabel(f"{label}\n$f(A) - f(B)$")
    for stage, axes in zip(stages, panels[0], strict=True):
        axes.set_title("last block" if stage > len(view.locations) else f"stage {stage}", loc="left")
    style.shared_xlabel(
        panels, f"{METRICS[measure].label} to {METHODS[anchor].label}, {view.backbones[backbone]}"
    )
    style.method_legend(fig, rows["other_method"].unique())
    return fig


def _points(axes: Axes, rows: pd.DataFrame) -> None:
    for name in METHODS:
        chosen = rows[rows["other_method"] == name]
        if len(chosen):
            line = {**style.method_line(name), "linestyle": "none"}
            axes.plot(chosen["mean"], chosen["difference"], **line)
    rho = spearman(rows["mean"].to_numpy(), rows["difference"].to_numpy())
    text = "–" if np.isnan(rho) else style.number(rho)
    axes.set_title(f"$\\rho$ = {text}", loc="right", fontsize=7)
