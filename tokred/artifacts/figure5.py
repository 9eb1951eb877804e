"""Figure 5: similarity of dataset-averaged patterns across data sets."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import pandas as pd
from matplotlib.figure import Figure

from tokred.artifacts import lines, style
from tokred.artifacts.view import View
from tokred.methods.registry import METHODS
from tokred.metrics.registry import METRICS


def draw(tables: Mapping[str, pd.DataFrame], view: View) -> Figure:
    """Pearson's correlation, a panel a backbone and pair of data sets."""
    return draw_metric(tables["datasets"], view, "pearson")


def draw_metric(rows: pd.DataFrame, view: View, metric: str) -> Figure:
    """The same for any metric of depth maps."""
    rows = lines.without_fixed(rows[rows["metric"] == metric])
    pairs = list(combinations(sorted(view.datasets), 2))
    fig = style.figure(
        style.WIDE if len(view.backbones) * len(pairs) > 1 else style.NARROW, 0.9 + 1.6 * len(pairs)
    )
    panels = fig.subplots(len(pairs), len(view.backbones), sharex=True, sharey=True, squeeze=False)
    for (first, second), line_of_panels in zip(pairs, panels, strict=True):
        of_pair = rows[(rows["dataset"] == first) & (rows["other_dataset"] == second)]
        for (backbone, label), axes in zip(view.backbones.items(), line_of_panels, strict=True):
            chosen = of_pair[of_pair["backbone"] == backbone]
            for name in METHODS:
                mean = chosen[chosen["method"] == name].groupby("keep_rate")["mean"].mean()
                mean = mean.reindex(view.keep_rates)
                if mean.notna().any():
                    axes.plot(range(len(view.keep_rates)), mean, **style.method_line(name))
            axes.set_xticks(range(len(view.keep_rates)), [style.percent(rate) for rate in view.keep_rates])
            axes.margins(x=0.1)
            if METRICS[metric].high == 1:
                style.unit_axis(axes, low=-1.0 if (rows["mean"] < 0).any() else 0.0)
            axes.set_title(f"{label}: {view.datasets[first]} and {view.datasets[second]}")
        line_of_panels[0].set_ylabel(METRICS[metric].label)
    style.shared_xlabel(panels, "keep rate $r$ (%)")
    style.method_legend(fig, rows["method"].unique())
    return fig
