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
    """Rows of methods that choose from the image: fixed patterns agree with themselves by construction."""
    fixed = [name for name, method in METHODS.items() if method.family is Family.FIXED]
    return rows[~rows["method"].isin(fixed)]


def draw_lines(axes: Axes, rows: pd.DataFrame, names: Iterable[str], ticks: Sequence[str]) -> None:
    """A line for each method over ticks, averaged over whatever rows are of the same tick.

    What is missing is a gap. Degenerate pairs are left out of means and lines; where a tick has no others
    there is a hollow mark. Beside each mean a short line is at its chance level, where the metric has one.

    Args:
        axes: panel to draw on.
        rows: pairs (`tables.PAIRS`) with their tick in a column `tick`.
        names: methods that the row of panels shows; each has its place beside the ticks.
        ticks: all of them, left to right.
    """
    ordered = [name for name in METHODS if name in set(names)]
    # Equal values must not hide each other: neighbours stand about two points apart.
    step = min(0.018 * len(ticks), 0.08)
    for place, name in enumerate(ordered):
        of_method = rows[rows["method"] == name]
        x = np.arange(len(ticks)) + step * (place - (len(ordered) - 1) / 2)
        telling = of_method[~of_method["degenerate"]]
        if len(telling):
            _chance_levels(axes, x, max(step, 0.14), telling, ticks, METHODS[name].color)
            line = with_intervals(telling, ["tick"]).reindex(ticks)
            style.line_with_intervals(axes, x, line, **style.method_line(name))
        hollow = of_method[~of_method["tick"].isin(telling["tick"])].groupby("tick")["mean"].mean()
        if len(hollow):
            axes.plot(x, hollow.reindex(ticks), **style.hollow_marks(name))
    axes.set_xticks(range(len(ticks)), ticks, rotation=45 if len(ticks) > 4 else 0)
    axes.set_xlim(-0.5, len(ticks) - 0.5)


def _chance_levels(
    axes: Axes, x: NDArray[Any], width: float, rows: pd.DataFrame, ticks: Sequence[str], color: str
) -> None:
    """Short lines at the chance levels of a method's pairs, where their metric has one."""
    if rows["chance"].notna().any():
        chance = rows.groupby("tick")["chance"].mean().reindex(ticks)
        axes.hlines(chance, x - width / 2, x + width / 2, color=color, **style.CHANCE)


def with_intervals(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Columns `mean`, `half_width` (`tokred.statistics.intervals`) of `tables.PAIRS` or `tables.SUMMARY`."""
    rows = rows.assign(error=standard_error(rows))
    found = {key: mean_and_half_width(group, "mean", "error") for key, group in rows.groupby(by)}
    index = pd.MultiIndex.from_tuples(found, names=by) if len(by) > 1 else [key for (key,) in found]
    return pd.DataFrame(list(found.values()), index=index, columns=["mean", "half_width"])


def stage_grid(
    panel_rows: Sequence[tuple[str, pd.DataFrame]],
    view: View,
    position: Callable[[pd.DataFrame], Sequence[str]],
    ticks: Sequence[str],
    xlabel: str,
) -> Figure:
    """Rows of panels, a column a stage, a line a method.

    Args:
        panel_rows: label and pairs (`tables.PAIRS`) of each row; means are averaged over whatever data sets
            and backbones the pairs are of. Rows without pairs are left out.
        position: text of the tick that each pair belongs to.
        ticks: all of them, left to right.
        xlabel: what the ticks are.

    Raises:
        ValueError: there are no pairs in any row.
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
        metrics: shown from top to bottom.
        per_dataset: whether each data set has a row of panels; otherwise the mean over data sets is shown.
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
        pattern: name of the method that keeps the fixed pattern.
    """
    rows = tables["fixed"]
    chosen = rows[(rows["metric"] == "iou") & (rows["other_method"] == pattern)]
    return _over_rates([(f"IoU with {METHODS[pattern].label}", chosen)], view)


def _panel_rows(
    rows: pd.DataFrame, view: View, metrics: Sequence[str], per_dataset: bool
) -> list[tuple[str, pd.DataFrame]]:
    """Label and pairs of each row of panels: one for each metric, or for each metric and data set."""
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
    places = {tick: place for place, tick in enumerate(ticks)}
    bound = rows.groupby("tick")["bound"].mean().dropna()
    middle = [places[tick] for tick in bound.index]
    axes.hlines(bound, [x - 0.35 for x in middle], [x + 0.35 for x in middle], **style.BOUND)
