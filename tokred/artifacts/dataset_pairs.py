"""Panels that compare depth maps across data sets (Figures 5 and 12)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import pandas as pd
from matplotlib.figure import Figure

from tokred.artifacts import style
from tokred.artifacts.lines import draw_lines
from tokred.artifacts.view import View


def pair_grid(
    panel_rows: Sequence[tuple[str, pd.DataFrame]], view: View, lowest: float | None = None
) -> Figure:
    """Rows of panels, a column a pair of data sets, a line a method over keep rates.

    Args:
        panel_rows: label and pairs (`tables.PAIRS`) of each row; means are averaged over whatever backbones
            the pairs are of.
        view: the study.
        lowest: all y axes end at this value and 1; None: each row has its own limits.
    """
    pairs = list(combinations(view.datasets, 2))
    ticks = [style.percent(rate) for rate in view.keep_rates]
    width = max(style.NARROW, min(style.WIDE, 0.6 + 2.2 * len(pairs)))
    fig = style.figure(width, 1.1 + 1.35 * len(panel_rows))
    panels = fig.subplots(len(panel_rows), len(pairs), sharex=True, sharey="row", squeeze=False)
    for (label, rows), line_of_panels in zip(panel_rows, panels, strict=True):
        rows = rows.assign(tick=rows["keep_rate"].map(style.percent))
        for pair, axes in zip(pairs, line_of_panels, strict=True):
            draw_lines(axes, _of_pair(rows, pair), rows["method"], ticks)
            if lowest is not None:
                style.unit_axis(axes, low=lowest)
        line_of_panels[0].set_ylabel(label)
    for (first, second), axes in zip(pairs, panels[0], strict=True):
        axes.set_title(f"{view.datasets[first]}\n{view.datasets[second]}")
    style.shared_xlabel(panels, "keep rate $r$ (%)")
    style.method_legend(fig, pd.concat([rows["method"] for _, rows in panel_rows]).unique())
    return fig


def _of_pair(rows: pd.DataFrame, pair: tuple[str, str]) -> pd.DataFrame:
    """Rows of two data sets, whichever of them stands first in the table."""
    return rows[rows["dataset"].isin(pair) & rows["other_dataset"].isin(pair)]
