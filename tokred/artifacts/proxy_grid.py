"""Heat maps of correlations between similarity to an anchor and performance (Figures 6 and 14)."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokred.artifacts import style
from tokred.artifacts.view import View
from tokred.methods.registry import METHODS
from tokred.metrics.registry import METRICS


def draw_panels(rows: pd.DataFrame, view: View, shown: list[tuple[str, str]]) -> Figure:
    """Spearman's correlation per measure, anchor, backbone, stage and keep rate, averaged over data sets.

    Args:
        rows: `tables.PROXIES`.
        view: the study.
        shown: measures and anchors, top to bottom; those that the study has not are left out.
    """
    rows = rows[rows["correlation"] == "spearman"]
    present = set(zip(rows["measure"], rows["method"], strict=True))
    shown = [panel for panel in shown if panel in present]
    height = 0.8 + len(shown) * (0.6 + 0.2 * len(view.keep_rates))
    fig = style.figure(style.WIDE, height)
    panels = fig.subplots(len(shown), len(view.backbones), sharey=True, squeeze=False)
    for (measure, anchor), line_of_panels in zip(shown, panels, strict=True):
        for (backbone, label), axes in zip(view.backbones.items(), line_of_panels, strict=True):
            chosen = rows[
                (rows["measure"] == measure) & (rows["method"] == anchor) & (rows["backbone"] == backbone)
            ]
            image = _panel(axes, chosen, view)
            axes.set_title(f"{label}\n{METRICS[measure].label}, anchor {METHODS[anchor].label}")
        line_of_panels[0].set_ylabel("$r$ (%)")
    fig.colorbar(image, ax=panels, label="Spearman's correlation", shrink=0.5, aspect=30, pad=0.02)
    return fig


def _panel(axes: Axes, rows: pd.DataFrame, view: View) -> object:
    last = len(view.locations) + 1
    stages = sorted(rows["stage"].unique())
    grid = rows.pivot_table(index="keep_rate", columns="stage", values="value", aggfunc="mean")
    grid = grid.reindex(index=view.keep_rates, columns=stages)
    image = axes.imshow(grid, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    for row, values in enumerate(grid.to_numpy()):
        for column, value in enumerate(values):
            text = "–" if pd.isna(value) else f"{value:.2f}"
            color = "white" if abs(value) > 0.65 else "black"
            axes.text(column, row, text, ha="center", va="center", fontsize=7, color=color)
    axes.set_xticks(range(len(stages)), ["last block" if s == last else f"stage {s}" for s in stages])
    axes.set_yticks(range(len(view.keep_rates)), [style.percent(rate) for rate in view.keep_rates])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return image
