"""Performance over multiply-accumulates, throughput or latency, with the Pareto front; reduction time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from tokred.artifacts import style
from tokred.methods.registry import METHODS
from tokred.run import UNREDUCED
from tokred.statistics.intervals import mean_and_half_width
from tokred.statistics.pareto import on_front
from tokred.study.view import View

_MODEL = ["backbone", "method", "keep_rate"]


@dataclass(frozen=True)
class Cost:
    """What a model costs, or delivers.

    Attributes:
        label: name on the axis.
        table: result table that has it.
        more_is_better: whether it is delivered rather than paid.
    """

    label: str
    table: str
    more_is_better: bool = False


COSTS = {
    "macs": Cost("GMACs per image", "macs"),
    "throughput": Cost("images per second", "efficiency", more_is_better=True),
    "latency": Cost("latency of one image (ms)", "efficiency"),
}


def costs(tables: Mapping[str, pd.DataFrame], cost: str) -> pd.DataFrame:
    """The `cost` of every model, by its columns in the table, in the unit of its label.

    Multiply-accumulates are means over seeds. Throughput is that at the best batch size. Latency is that of
    batches of one image.
    """
    rows = tables[COSTS[cost].table]
    if cost == "macs":
        found = rows.groupby(["dataset", *_MODEL])["total"].mean() / 1e9
    elif cost == "throughput":
        found = rows.groupby(_MODEL)["images_per_second"].max()
    else:
        found = rows[rows["batch_size"] == 1].groupby(_MODEL)["seconds"].mean() * 1e3
    return found.rename("cost").reset_index()


def points(tables: Mapping[str, pd.DataFrame], cost: str) -> pd.DataFrame:
    """Cost and performance of every model, and whether it is on the Pareto front of its data set.

    The front is over all backbones, methods and keep rates.

    Args:
        tables: "scores", and the table of the cost.
        cost: key of `COSTS`.

    Returns:
        Columns dataset, backbone, method, keep_rate, mean and half_width (of the performance), cost, front.
    """
    models = tables["scores"].groupby(["dataset", *_MODEL])
    performance = pd.DataFrame(
        [(*key, *mean_and_half_width(rows, "score", "std_error")) for key, rows in models],
        columns=["dataset", *_MODEL, "mean", "half_width"],
    )
    both = performance.merge(costs(tables, cost))
    sign = -1 if COSTS[cost].more_is_better else 1
    both["front"] = False
    for _, rows in both.groupby("dataset"):
        both.loc[rows.index, "front"] = on_front(sign * rows["cost"].to_numpy(), rows["mean"].to_numpy())
    return both


def draw(tables: Mapping[str, pd.DataFrame], view: View, cost: str) -> Figure:
    """One panel per data set: a line through the keep rates of every backbone and method, and the front.

    Args:
        tables: as for `points`.
        view: the study.
        cost: key of `COSTS`.
    """
    every = points(tables, cost)
    across = min(2, len(view.datasets))
    down = -(-len(view.datasets) // across)
    fig = style.figure(style.WIDE, 0.9 + (3.0 if across == 2 else 3.8) * down)
    panels = fig.subplots(down, across, sharex=True, squeeze=False)
    for axes in panels.flat[len(view.datasets) :]:
        axes.remove()
    for (dataset, label), axes in zip(view.datasets.items(), panels.flat, strict=False):
        rows = every[every["dataset"] == dataset]
        _draw_front(axes, rows[rows["front"]].sort_values("cost"), cost)
        for backbone, name in view.backbones.items():
            _draw_backbone(axes, rows[rows["backbone"] == backbone], name, cost)
        axes.set_ylim(bottom=_lowest(axes, rows))
        axes.set_title(label)
    for axes in panels[:, 0]:
        axes.set_ylabel("performance (%)")
    for axes in fig.axes:
        if len(view.backbones) > 1:
            _log_axis(axes)
        axes.set_xlabel(COSTS[cost].label)
        axes.tick_params(labelbottom=True)
    style.method_legend(fig, every["method"].unique(), front="Pareto front")
    return fig


def _lowest(axes: Axes, rows: pd.DataFrame) -> float:
    """Lower limit of a panel, where models far below all others do not flatten the rest."""
    low, high = min(rows["mean"].quantile(0.2), rows.loc[rows["front"], "mean"].min()), rows["mean"].max()
    return max(axes.get_ylim()[0], low - 0.4 * (high - low))


def _draw_front(axes: Axes, front: pd.DataFrame, cost: str) -> None:
    """The best performance that any cost buys, as steps, and rings around the models on it."""
    where: Literal["pre", "post"] = "pre" if COSTS[cost].more_is_better else "post"
    axes.step(front["cost"], front["mean"], where=where, **style.FRONT)
    axes.scatter(front["cost"], front["mean"], s=34, facecolors="none", edgecolors="0.35", linewidths=0.9)


def _draw_backbone(axes: Axes, rows: pd.DataFrame, name: str, cost: str) -> None:
    """A line for each method, from its lowest keep rate to the unreduced model, where the name is."""
    unreduced = rows[rows["method"] == UNREDUCED]
    for method in METHODS:
        of_method = rows[rows["method"] == method]
        if method != UNREDUCED and len(of_method):
            line = pd.concat([of_method.sort_values("keep_rate"), unreduced])
            drawn = {**style.method_line(method), "linewidth": 0.6, "markersize": 3.5}
            axes.plot(line["cost"], line["mean"], markevery=range(len(of_method)), **drawn)
    side = "left" if COSTS[cost].more_is_better else "right"  # where reduced models are
    for x in unreduced["cost"]:
        axes.axvline(x, color="0.75", linewidth=0.6, linestyle=":", zorder=0)
        place: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "ha": side, "fontsize": 6.5}
        axes.text(x, 0.02, f" {name} ", **place)
    star = {**style.method_line(UNREDUCED), "linestyle": "none", "markersize": 8}
    axes.plot(unreduced["cost"], unreduced["mean"], **star)


def _log_axis(axes: Axes) -> None:
    """Backbones differ by factors: a logarithmic axis, with plain numbers at its ticks."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0, 7.0)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def draw_share(tables: Mapping[str, pd.DataFrame], view: View) -> Figure:
    """Fraction of a forward pass that is spent in the method's stages: one panel per backbone.

    Batches have the largest size that all models of the backbone were measured with.

    Args:
        tables: "efficiency".
        view: the study.
    """
    rows = tables["efficiency"]
    fig = style.figure(min(style.WIDE, 1.6 + 2.4 * len(view.backbones)), 3.4)
    panels = fig.subplots(1, len(view.backbones), sharey=True, squeeze=False)
    names = [name for name in METHODS if name in set(rows["method"]) and name != UNREDUCED]
    for (backbone, label), axes in zip(view.backbones.items(), panels[0], strict=True):
        of_backbone, batch_size = at_common_size(rows[rows["backbone"] == backbone])
        for name in names:
            of_method = of_backbone[of_backbone["method"] == name].set_index("keep_rate")
            x = [place for place, rate in enumerate(view.keep_rates) if rate in of_method.index]
            y = [100 * of_method.loc[view.keep_rates[place], "reduction_share"] for place in x]
            axes.plot(x, y, **style.method_line(name))
        axes.set_xticks(range(len(view.keep_rates)), [style.percent(rate) for rate in view.keep_rates])
        axes.set_xlim(-0.5, len(view.keep_rates) - 0.5)
        axes.set_ylim(bottom=0)
        axes.set_title(f"{label}, batches of {batch_size}")
    panels[0, 0].set_ylabel("time in the reduction (%)")
    style.shared_xlabel(panels, "keep rate $r$ (%)")
    style.method_legend(fig, names)
    return fig


def at_common_size(rows: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Rows of the largest batch size that all models were measured with, and this size."""
    models = rows.groupby("batch_size").size()
    size = int(np.max(models.index[models == models.max()]))
    return rows[rows["batch_size"] == size], size
