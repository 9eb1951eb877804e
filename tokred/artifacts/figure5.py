"""Figure 5: similarity of dataset-averaged patterns across data sets."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from tokred.artifacts import style
from tokred.artifacts.dataset_pairs import draw_panel, pairs
from tokred.artifacts.lines import without_fixed
from tokred.artifacts.view import View


def draw(tables: Mapping[str, pd.DataFrame], view: View) -> Figure:
    """Pearson's correlation: a row a pair of data sets, a column a backbone, a line a method."""
    rows = without_fixed(tables["datasets"])
    shown = pairs(view)
    lowest = rows.loc[rows["metric"] == "pearson", "mean"].min()
    fig = style.figure(style.WIDE if len(view.backbones) > 1 else style.NARROW, 0.9 + 1.6 * len(shown))
    panels = fig.subplots(len(shown), len(view.backbones), sharex=True, sharey=True, squeeze=False)
    for pair, line_of_panels in zip(shown, panels, strict=True):
        for (backbone, label), axes in zip(view.backbones.items(), line_of_panels, strict=True):
            draw_panel(axes, rows[rows["backbone"] == backbone], view, "pearson", pair)
            style.unit_axis(axes, low=-1.0 if lowest < 0 else 0.0)
            axes.set_title(f"{label}: {view.datasets[pair[0]]} and {view.datasets[pair[1]]}")
        line_of_panels[0].set_ylabel("Pearson")
    style.shared_xlabel(panels, "keep rate $r$ (%)")
    style.method_legend(fig, rows["method"].unique())
    return fig
