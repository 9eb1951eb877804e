"""Panels that compare depth maps across data sets (Figures 5 and 12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import pandas as pd
from matplotlib.figure import Figure

from tokred.artifacts import style
from tokred.artifacts.lines import draw_lines, without_fixed
from tokred.metrics.registry import METRICS
from tokred.study.view import View


def draw_backbones(tables: Mapping[str, pd.DataFrame], view: View, metric: str) -> Figure:
    """A correlation of the depth maps of two data sets, drawn by `_pair_grid`: one row per backbone.

    Args:
        tables: "datasets".
        view: the study.
        metric: a correlation; if no mean is negative, the axes start at 0.
    """
    rows = without_fixed(tables["datasets"])
    rows = rows[rows["metric"] == metric]
    panel_rows = [
        (f"{label}\n{METRICS[metric].label}", rows[rows["backbone"] == backbone])
        for backbone, label in view.backbones.items()
    ]
    return _pair_grid(panel_rows, view, lowest=-1.0 if rows["mean"].min() < 0 else 0.0)


def draw_metrics(tables: Mapping[str, pd.DataFrame], view: View, metrics: Sequence[str]) -> Figure:
    """Agreement of the depth maps of two data sets, drawn by `_pair_grid`: one row per metric.

    Args:
        tables: "datasets".
        view: the study.
        metrics: shown from top to bottom, averaged over backbones.
    """
    rows = without_fixed(tables["datasets"])
    return _pair_grid([(METRICS[metric].label, rows[rows["metric"] == metric]) for metric in metrics], view)


def _pair_grid(
    panel_rows: Sequence[tuple[str, pd.DataFrame]], view: View, lowest: float | None = None
) -> Figure:
    """Rows of panels, one column per pair of data sets, one line per method over keep rates.

    Args:
        panel_rows: label and pairs (`schemas.PAIRS`) of each row; means are averaged over the pairs'
            backbones.
        view: the study.
        lowest: lower limit of all y axes, whose upper limit is 1; None for limits of its own in each row.
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
    """Rows of two data sets, in either order."""
    return rows[rows["dataset"].isin(pair) & rows["other_dataset"].isin(pair)]
