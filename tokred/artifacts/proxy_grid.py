"""Heat maps of correlations of similarity to a reference method with performance (Figures 6 and 14)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from tokred.artifacts import style
from tokred.methods.registry import METHODS
from tokred.metrics.registry import METRICS
from tokred.study.view import View


def draw(tables: Mapping[str, pd.DataFrame], view: View, panels: Sequence[tuple[str, str]]) -> Figure:
    """Spearman's correlation by measure, reference method, backbone, stage and keep rate: data sets' mean.

    Args:
        tables: "proxies".
        view: the study.
        panels: measures and reference methods from top to bottom; those that the study lacks are left out.
    """
    rows = tables["proxies"]
    rows = rows[rows["correlation"] == "spearman"]
    present = set(zip(rows["measure"], rows["method"], strict=True))
    shown = [panel for panel in panels if panel in present]
    height = 0.6 + len(shown) * max(0.75, 0.15 + 0.17 * len(view.keep_rates))
    fig = style.figure(style.WIDE, height)
    grid = fig.subplots(len(shown), len(view.backbones), sharex=True, sharey=True, squeeze=False)
    for (measure, anchor), line_of_panels in zip(shown, grid, strict=True):
        of_panels = rows[(rows["measure"] == measure) & (rows["method"] == anchor)]
        for backbone, axes in zip(view.backbones, line_of_panels, strict=True):
            image = _panel(axes, of_panels[of_panels["backbone"] == backbone], view)
        line_of_panels[0].set_ylabel(f"{METRICS[measure].label}\n{METHODS[anchor].label}\n$r$ (%)")
    for label, axes in zip(view.backbones.values(), grid[0], strict=True):
        axes.set_title(label)
    fig.align_ylabels(grid[:, 0])
    fig.colorbar(image, ax=grid, label="Spearman's correlation", shrink=0.6, aspect=30, pad=0.02)
    return fig


def _panel(axes: Axes, rows: pd.DataFrame, view: View) -> AxesImage:
    """Numbers and colors; "–" for undefined correlations, empty at stages that the measure does not have."""
    last = len(view.locations) + 1
    grid = rows.pivot_table(index="keep_rate", columns="stage", values="value", aggfunc="mean")
    grid = grid.reindex(index=view.keep_rates, columns=range(1, last + 1))
    image = axes.imshow(grid, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    measured = [column for column, stage in enumerate(grid) if stage in set(rows["stage"])]
    for row, values in enumerate(grid.to_numpy()):
        for column in measured:
            value = values[column]
            text = "–" if pd.isna(value) else style.number(value)
            color = "white" if abs(value) > 0.65 else "black"
            axes.text(column, row, text, ha="center", va="center", fontsize=7, color=color)
    axes.set_xticks(range(last), [*(f"stage {stage}" for stage in range(1, last)), "last block"])
    axes.set_yticks(range(len(view.keep_rates)), [style.percent(rate) for rate in view.keep_rates])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return image
