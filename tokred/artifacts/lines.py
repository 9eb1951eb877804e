"""Agreement of patterns over keep rates and stages, a line for each method (Figures 3, 4, 8 to 11, 13)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tokred.artifacts import style
from tokred.methods.registry import METHODS, Family
from tokred.metrics.registry import METRICS
from tokred.statistics.intervals import mean_and_half_width, standard_error
from tokred.study.view import View


def without_fixed(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of methods whose patterns depend on the image; fixed patterns always agree with themselves."""
    fixed = [name for name, method in METHODS.items() if method.family is Family.FIXED]
    return rows[~rows["method"].isin(fixed)]


def draw_lines(axes: Axes, rows: pd.DataFrame, names: Iterable[str], ticks: Sequence[str]) -> None:
    """A line for each method over ticks, averaged over the rows of a tick.

    Ticks without rows are gaps. Degenerate pairs are left out of means and lines; a tick that has only
    degenerate pairs has a hollow mark. A short line beside each mean is its chance level, if the metric has
    one.

    Args:
        axes: panel to draw on.
        rows: pairs (`schemas.PAIRS`) with their tick in a column `tick`.
        names: all methods in the row of panels; each has its own offset from the ticks.
        ticks: texts of all ticks, from left to right.
    """
    ordered = [name for name in METHODS if name in set(names)]
    # Offsets of about two points between methods, so that equal values do not hide each other; less if there
    # are so many methods that some would be nearer to the next tick.
    step = min(0.018 * len(ticks), 0.08, 0.64 / max(1, len(ordered) - 1))
    for index, name in enumerate(ordered):
        of_method = rows[rows["method"] == name]
        x = np.arange(len(ticks)) + step * (index - (len(ordered) - 1) / 2)
        informative = of_method[~of_method["degenerate"]]
        if len(informative):
            _chance_levels(axes, x, max(step, 0.14), informative, ticks, METHODS[name].color)
            line = with_intervals(informative, ["tick"]).reindex(ticks)
            style.line_with_intervals(axes, x, line, **style.method_line(name))
        hollow = of_method[~of_method["tick"].isin(informative["tick"])].groupby("tick")["mean"].mean()
        if len(hollow):
            axes.plot(x, hollow.reindex(ticks), **style.hollow_marks(name))
    axes.set_xticks(range(len(ticks)), ticks, rotation=45 if len(ticks) > 4 else 0)
    axes.set_xlim(-0.5, len(ticks) - 0.5)


def _chance_levels(
    axes: Axes, x: NDArray[Any], width: float, rows: pd.DataFrame, ticks: Sequence[str], color: str
) -> None:
    """Short lines at the chance levels of a method's pairs, if their metric has chance levels."""
    if rows["chance"].notna().any():
        chance = rows.groupby("tick")["chance"].mean().reindex(ticks)
        axes.hlines(chance, x - width / 2, x + width / 2, color=color, **style.CHANCE)


def with_intervals(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Columns `mean`, `half_width` (`tokred.statistics.intervals`) for each group of rows."""
    rows = rows.assign(error=standard_error(rows))
    means = {key: mean_and_half_width(group, "mean", "error") for key, group in rows.groupby(by)}
    index = pd.MultiIndex.from_tuples(means, names=by) if len(by) > 1 else [key for (key,) in means]
    return pd.DataFrame(list(means.values()), index=index, columns=["mean", "half_width"])


def stage_grid(
    panel_rows: Sequence[tuple[str, pd.DataFrame]],
    view: View,
    position: Callable[[pd.DataFrame], Sequence[str]],
    ticks: Sequence[str],
    xlabel: str,
) -> Figure:
    """Rows of panels, one column per stage, one line per method.

    Args:
        panel_rows: label and pairs (`schemas.PAIRS`) of each row; means are averaged over the pairs' data
            sets and backbones. Rows without pairs are left out.
        view: the study.
        position: function that returns the tick's text for each pair.
        ticks: texts of all ticks, from left to right.
        xlabel: label of the x axis.

    Raises:
        ValueError: no row has any pairs.
    """
    expected = ", ".join(label.replace("\n", " ") for label, _ in panel_rows)
    panel_rows = [(label, rows) for label, rows in panel_rows if len(rows)]
    if not panel_rows:
        raise ValueError(f"no pairs to draw in study {view.study!r}: expected {expected} of learned patterns")
    stages = range(1, len(view.locations) + 1)
    fig = style.figure(style.WIDE, 0.9 + 1.6 * len(panel_rows))
    panels = fig.subplots(len(panel_rows), len(stages), sharex=True, sharey=True, squeeze=False)
    shown = []
    for (label, rows), line_of_panels in zip(panel_rows, panels, strict=True):
        shown.append(rows.assign(tick=position(rows)))
        for stage, axes in zip(stages, line_of_panels, strict=True):
            of_stage = shown[-1][shown[-1]["stage"] == stage]
            _bounds(axes, of_stage, ticks)
            draw_lines(axes, of_stage, rows["method"], ticks)
            style.unit_axis(axes)
        line_of_panels[0].set_ylabel(label)
    for stage, axes in zip(stages, panels[0], strict=True):
        axes.set_title(f"stage {stage} (block {view.locations[stage - 1] + 1})")
    style.shared_xlabel(panels, xlabel)
    everything = pd.concat(shown)
    style.method_legend(
        fig,
        everything["method"].unique(),
        bound="lower bound" if everything["bound"].notna().any() else None,
        chance="chance level" if everything["chance"].notna().any() else None,
        degenerate="degenerate pairs" if everything["degenerate"].any() else None,
    )
    return fig


def draw_keep_rates(
    tables: Mapping[str, pd.DataFrame], view: View, metrics: Sequence[str], per_dataset: bool = False
) -> Figure:
    """Agreement of patterns at two keep rates r1 > r2, by `stage_grid`.

    Args:
        tables: "keep_rates".
        view: the study.
        metrics: metrics from top to bottom.
        per_dataset: whether each data set has a row of panels; otherwise means over data sets are shown.
    """
    rates = list(reversed(view.keep_rates))
    ticks = [_pair(high, low) for index, high in enumerate(rates) for low in rates[index + 1 :]]

    def position(rows: pd.DataFrame) -> list[str]:
        return [_pair(*pair) for pair in zip(rows["keep_rate"], rows["other_keep_rate"], strict=True)]

    panel_rows = _panel_rows(tables["keep_rates"], view, metrics, per_dataset)
    return stage_grid(panel_rows, view, position, ticks, "keep rates $r_1$ → $r_2$ (%)")


def draw_backbones(
    tables: Mapping[str, pd.DataFrame], view: View, metrics: Sequence[str], per_dataset: bool = False
) -> Figure:
    """Agreement of patterns in two backbones, by `stage_grid` over keep rates.

    Args:
        tables: "backbones".
        view, metrics, per_dataset: as for `draw_keep_rates`.
    """
    return _over_rates(_panel_rows(tables["backbones"], view, metrics, per_dataset), view)


def draw_fixed(tables: Mapping[str, pd.DataFrame], view: View, pattern: str) -> Figure:
    """IoU of learned patterns with a fixed one, by `stage_grid` over keep rates.

    Args:
        tables: "fixed".
        view: the study.
        pattern: name of the method with the fixed pattern.
    """
    rows = tables["fixed"]
    chosen = rows[(rows["metric"] == "iou") & (rows["other_method"] == pattern)]
    return _over_rates([(f"IoU with {METHODS[pattern].label}", chosen)], view)


def _panel_rows(
    rows: pd.DataFrame, view: View, metrics: Sequence[str], per_dataset: bool
) -> list[tuple[str, pd.DataFrame]]:
    """Label and pairs of each row of panels: one row per metric, or per metric and data set."""
    rows = without_fixed(rows)
    of_metrics = [(METRICS[metric].label, rows[rows["metric"] == metric]) for metric in metrics]
    if not per_dataset:
        return of_metrics
    return [
        (f"{name}\n{label}", chosen[chosen["dataset"] == dataset])
        for label, chosen in of_metrics
        for dataset, name in view.datasets.items()
    ]


def _over_rates(panel_rows: Sequence[tuple[str, pd.DataFrame]], view: View) -> Figure:
    """`stage_grid` over keep rates."""
    ticks = [style.percent(rate) for rate in view.keep_rates]
    return stage_grid(
        panel_rows, view, lambda rows: rows["keep_rate"].map(style.percent), ticks, "keep rate $r$ (%)"
    )


def _pair(high: str, low: str) -> str:
    return f"{style.percent(high)}→{style.percent(low)}"


def _bounds(axes: Axes, rows: pd.DataFrame, ticks: Sequence[str]) -> None:
    positions = {tick: index for index, tick in enumerate(ticks)}
    bound = rows.groupby("tick")["bound"].mean().dropna()
    middle = [positions[tick] for tick in bound.index]
    axes.hlines(bound, [x - 0.35 for x in middle], [x + 0.35 for x in middle], **style.BOUND)
