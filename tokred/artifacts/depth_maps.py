"""Dataset-averaged depth maps (Figures 30 to 35)."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from tokred.artifacts import style
from tokred.artifacts.view import View


def draw_depth(rows: pd.DataFrame, view: View, method: str) -> Figure:
    """A row a backbone and data set, a column a keep rate; colour is the mean number of blocks passed.

    Args:
        rows: `tables.DEPTH`.
        view: the study.
        method: whose maps.
    """
    rows = rows[rows["method"] == method]
    mean = rows.groupby(["dataset", "backbone", "keep_rate", "token"])["depth"].mean()
    shown = [(dataset, backbone) for dataset in view.datasets for backbone in view.backbones]
    width = min(style.WIDE, 1.6 + 1.2 * len(view.keep_rates))
    fig = style.figure(width, 0.6 + 1.15 * len(shown))
    panels = fig.subplots(len(shown), len(view.keep_rates), squeeze=False)
    for (dataset, backbone), line_of_panels in zip(shown, panels, strict=True):
        for rate, axes in zip(view.keep_rates, line_of_panels, strict=True):
            axes.set_xticks([])
            axes.set_yticks([])
            if (dataset, backbone, rate) in mean.index.droplevel("token"):
                depth = mean.loc[dataset, backbone, rate].sort_index().to_numpy().reshape(view.grid)
                image = axes.imshow(depth, cmap="viridis", vmin=view.locations[0], vmax=view.depth)
        line_of_panels[0].set_ylabel(f"{view.datasets[dataset]}\n{view.backbones[backbone]}")
    for rate, axes in zip(view.keep_rates, panels[0], strict=True):
        axes.set_title(f"$r$ = {style.percent(rate)} %")
    fig.colorbar(image, ax=panels, label="blocks passed, mean over images", shrink=0.6, aspect=25)
    return fig
