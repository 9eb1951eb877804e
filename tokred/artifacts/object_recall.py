"""Object recall and purity over stages, and their relation to performance."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tokred.artifacts import style
from tokred.artifacts.lines import draw_lines
from tokred.methods.registry import METHODS
from tokred.metrics.registry import METRICS
from tokred.run import UNREDUCED
from tokred.study.view import View

_MODEL = ["dataset", "backbone", "seed"]


def draw(tables: Mapping[str, pd.DataFrame], view: View) -> Figure:
    """One row per metric, one column per keep rate, one line per method over the stages.

    All values are means over the data sets with object masks and over the backbones. The last column shows
    the values after the last stage against the change in performance by reduction (in points), with one line
    per method through its keep rates.

    Args:
        tables: "object_recall" and "scores".
        view: the study.
    """
    rows = tables["object_recall"]
    shown = [name for name, metric in METRICS.items() if metric.kind == "objects"]
    shown = [name for name in shown if (rows["metric"] == name).any()]
    stages = [str(stage) for stage in range(1, len(view.locations) + 1)]
    last = rows[rows["stage"] == len(view.locations)].merge(_changes(tables["scores"]), how="left")
    count = len(view.keep_rates)
    fig = style.figure(style.WIDE, 0.9 + 1.8 * len(shown))
    widths = [1.0] * count + [1.4]
    panels = fig.subplots(
        len(shown), count + 1, sharex="col", sharey=True, squeeze=False, width_ratios=widths
    )
    for metric, line_of_panels in zip(shown, panels, strict=True):
        of_metric = rows[rows["metric"] == metric]
        of_metric = of_metric.assign(tick=of_metric["stage"].astype(str), degenerate=False)
        for rate, axes in zip(view.keep_rates, line_of_panels[:-1], strict=True):
            draw_lines(axes, of_metric[of_metric["keep_rate"] == rate], of_metric["method"], stages)
        _draw_against_performance(line_of_panels[-1], last[last["metric"] == metric])
        for axes in line_of_panels:
            style.unit_axis(axes)
        line_of_panels[0].set_ylabel(METRICS[metric].label)
    for rate, axes in zip(view.keep_rates, panels[0][:-1], strict=True):
        axes.set_title(f"$r$ = {style.percent(rate)} %")
    panels[0][-1].set_title(f"after stage {stages[-1]}")
    style.shared_xlabel(panels[:, :-1], "stage")
    panels[-1][-1].set_xlabel("change in performance")
    style.method_legend(fig, rows["method"].unique(), chance="chance level")
    return fig


def _changes(scores: pd.DataFrame) -> pd.DataFrame:
    """Runs, and the difference of their performance to that of the unreduced model (`change`)."""
    unreduced = scores[scores["method"] == UNREDUCED][[*_MODEL, "score"]]
    both = scores.merge(unreduced, on=_MODEL, suffixes=("", "_unreduced"))
    both["change"] = both["score"] - both["score_unreduced"]
    return both[[*_MODEL, "method", "keep_rate", "change"]]


def _draw_against_performance(axes: Axes, rows: pd.DataFrame) -> None:
    means = rows.groupby(["method", "keep_rate"])[["change", "mean"]].mean()
    for name in METHODS:
        if name in means.index.get_level_values("method"):
            of_method = means.loc[name].sort_index()
            axes.plot(of_method["change"], of_method["mean"], **{**style.method_line(name), "linewidth": 0.5})
