"""Panels of lines, one a method, that figures of pattern similarity share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
from matplotlib.figure import Figure

from tokred.artifacts import style
from tokred.artifacts.view import View
from tokred.methods.registry import METHODS, Family
from tokred.metrics.registry import METRICS


def without_fixed(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of methods that choose from the image: fixed patterns agree with themselves by construction."""
    return rows[[METHODS[name].family is not Family.FIXED for name in rows["method"]]]


def stage_grid(
    rows: pd.DataFrame,
    view: View,
    metrics: Sequence[str],
    position: Callable[[pd.DataFrame], pd.Series],
    ticks: Sequence[str],
    xlabel: str,
) -> Figure:
    """A row of panels a metric, a column a stage, a line a method.

    Args:
        rows: pairs (`tables.PAIRS`); means are averaged over data sets and backbones.
        metrics: names, top to bottom.
        position: text of the tick that each row belongs to.
        ticks: all of them, left to right.
        xlabel: what the ticks are.
    """
    rows = without_fixed(rows)
    rows = rows.assign(tick=position(rows))
    stages = range(1, len(view.locations) + 1)
    fig = style.figure(style.WIDE, 0.9 + 1.6 * len(metrics))
    panels = fig.subplots(len(metrics), len(stages), sharex=True, sharey=True, squeeze=False)
    for metric, line_of_panels in zip(metrics, panels, strict=True):
        for stage, axes in zip(stages, line_of_panels, strict=True):
            chosen = rows[(rows["metric"] == metric) & (rows["stage"] == stage)]
            _panel(axes, chosen, ticks)
            style.unit_axis(axes)
            if metric == metrics[0]:
                axes.set_title(f"stage {stage} (block {view.locations[stage - 1] + 1})")
        line_of_panels[0].set_ylabel(METRICS[metric].label)
    style.shared_xlabel(panels, xlabel)
    style.method_legend(fig, rows["method"].unique(), "lower bound" if rows["bound"].notna().any() else None)
    return fig


def _panel(axes, rows: pd.DataFrame, ticks: Sequence[str]) -> None:
    places = {tick: place for place, tick in enumerate(ticks)}
    bound = rows.groupby("tick")["bound"].mean().dropna()
    middle = [places[tick] for tick in bound.index]
    axes.hlines(bound, [x - 0.35 for x in middle], [x + 0.35 for x in middle], **style.BOUND)
    for name in METHODS:
        mean = rows[rows["method"] == name].groupby("tick")["mean"].mean().reindex(ticks)
        if mean.notna().any():
            axes.plot(range(len(ticks)), mean, **style.method_line(name))
    axes.set_xticks(range(len(ticks)), ticks, rotation=45 if len(ticks) > 4 else 0)
    axes.set_xlim(-0.5, len(ticks) - 0.5)


def rate_pairs(view: View) -> list[tuple[str, str]]:
    """Pairs r1 > r2 of keep rates."""
    rates = list(reversed(view.keep_rates))
    return [(high, low) for index, high in enumerate(rates) for low in rates[index + 1 :]]
