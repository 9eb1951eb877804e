"""Figure 12: similarity of dataset-averaged patterns by other metrics."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from tokred.artifacts import style
from tokred.artifacts.dataset_pairs import draw_panel, pairs
from tokred.artifacts.lines import without_fixed
from tokred.artifacts.view import View
from tokred.metrics.registry import METRICS

#: Metrics, top to bottom.
SHOWN = ("spearman", "jensen_shannon", "emd", "histogram")


def draw(tables: Mapping[str, pd.DataFrame], view: View) -> Figure:
    """A row a metric, a column a pair of data sets, a line a method; averaged over backbones."""
    rows = without_fixed(tables["datasets"])
    shown = pairs(view)
    fig = style.figure(max(style.NARROW, min(style.WIDE, 0.6 + 2.2 * len(shown))), 0.9 + 1.5 * len(SHOWN))
    panels = fig.subplots(len(SHOWN), len(shown), sharex=True, sharey="row", squeeze=False)
    for metric, line_of_panels in zip(SHOWN, panels, strict=True):
        for pair, axes in zip(shown, line_of_panels, strict=True):
            draw_panel(axes, rows, view, metric, pair)
        line_of_panels[0].set_ylabel(METRICS[metric].label)
    for (first, second), axes in zip(shown, panels[0], strict=True):
        axes.set_title(f"{view.datasets[first]}\n{view.datasets[second]}")
    style.shared_xlabel(panels, "keep rate $r$ (%)")
    style.method_legend(fig, rows["method"].unique())
    return fig
