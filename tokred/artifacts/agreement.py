"""Agreement of reduced models with the unreduced one."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from tokred.artifacts import style
from tokred.artifacts.lines import draw_lines
from tokred.study.view import View


def draw(tables: Mapping[str, pd.DataFrame], view: View) -> Figure:
    """Over keep rates, one line per method: one row per data set, one column per backbone.

    Args:
        tables: "agreement".
        view: the study.
    """
    percent = {"mean": 100 * tables["agreement"]["mean"], "std": 100 * tables["agreement"]["std"]}
    rows = tables["agreement"].assign(**percent, degenerate=False, chance=float("nan"))
    rows["tick"] = rows["keep_rate"].map(style.percent)
    ticks = [style.percent(rate) for rate in view.keep_rates]
    fig = style.figure(min(style.WIDE, 1.6 + 2.4 * len(view.backbones)), 1.0 + 1.9 * len(view.datasets))
    size = (len(view.datasets), len(view.backbones))
    panels = fig.subplots(*size, sharex=True, sharey="row", squeeze=False)
    for (dataset, label), line_of_panels in zip(view.datasets.items(), panels, strict=True):
        for (backbone, name), axes in zip(view.backbones.items(), line_of_panels, strict=True):
            chosen = rows[(rows["dataset"] == dataset) & (rows["backbone"] == backbone)]
            draw_lines(axes, chosen, rows["method"], ticks)
            axes.set_title(f"{label}, {name}")
        line_of_panels[0].set_ylabel("agreement (%)")
    style.shared_xlabel(panels, "keep rate $r$ (%)")
    style.method_legend(fig, rows["method"].unique())
    return fig
