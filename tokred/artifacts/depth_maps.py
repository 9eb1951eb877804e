"""Dataset-averaged depth maps (Figures 30 to 35)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tokred.artifacts import style
from tokred.study.view import View

#: Space between the panels of neighbouring backbones, in panels.
_GAP = 0.25


def draw(tables: Mapping[str, pd.DataFrame], view: View, method: str) -> Figure:
    """A row a data set, a column a backbone and keep rate; colour is the mean number of blocks passed.

    Args:
        tables: "depth".
        view: the study.
        method: whose maps.
    """
    rows = tables["depth"]
    rows = rows[rows["method"] == method]
    mean = rows.groupby(["dataset", "backbone", "keep_rate", "token"])["depth"].mean()
    fig, panels = _grid(view)
    columns = [(backbone, rate) for backbone in view.backbones for rate in view.keep_rates]
    for (dataset, label), line_of_panels in zip(view.datasets.items(), panels, strict=True):
        for (backbone, rate), axes in zip(columns, line_of_panels, strict=True):
            if (dataset, backbone, rate) in mean.index.droplevel("token"):
                depth = mean.loc[dataset, backbone, rate].sort_index().to_numpy().reshape(view.grid)
                image = axes.imshow(depth, cmap="viridis", vmin=view.locations[0], vmax=view.depth)
        line_of_panels[0].set_ylabel(label, rotation=0, ha="right", va="center")
    for (backbone, rate), top, bottom in zip(columns, panels[0], panels[-1], strict=True):
        bottom.set_xlabel(style.percent(rate), fontsize=7)
        if rate == view.keep_rates[0]:
            top.set_title(view.backbones[backbone], loc="left")
    fig.supxlabel("keep rate $r$ (%)", fontsize=8)
    fig.colorbar(image, ax=panels, label="mean blocks passed", pad=0.02, fraction=0.05, aspect=15)
    return fig


def _grid(view: View) -> tuple[Figure, NDArray[Any]]:
    """Empty panels (data sets, backbones x keep rates), as large as the page allows."""
    rates, backbones = len(view.keep_rates), len(view.backbones)
    across = backbones * rates + _GAP * (backbones - 1)
    size = min(1.5, (style.WIDE - 1.6) / across)
    fig = style.figure(1.6 + size * across, max(0.8 + size * len(view.datasets), 2.0), layout="compressed")
    widths = ([1.0] * rates + [_GAP]) * backbones
    return fig, style.image_panels(fig, len(view.datasets), widths[:-1], pad=0.02)
