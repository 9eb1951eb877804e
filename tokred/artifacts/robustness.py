"""Performance on corrupted images, and calibration."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tokred.artifacts import style
from tokred.methods.registry import METHODS
from tokred.metrics.calibration import BINS
from tokred.presentation.table import Table
from tokred.run import RUN_COLUMNS, UNREDUCED, UNREDUCED_RATE
from tokred.settings.corruption import CORRUPTIONS, SEVERITIES
from tokred.study.view import View

#: Method and keep rate.
Model = tuple[str, str]
#: Diameter of the dot of each severity, in points.
_DOTS = dict(zip(SEVERITIES, (2.2, 3.4, 4.8), strict=True))
#: Height of a method's line in the figure, in inches, and the least range of an axis, in points.
_LINE_HEIGHT, _LEAST_RANGE = 0.122, 10
#: Columns of the table of calibration.
_CALIBRATION = {"calibration_error": "error", "if_calibrated": "if calibrated", "excess": "overconfidence"}


def draw(tables: Mapping[str, pd.DataFrame], view: View) -> Figure:
    """One row of panels per keep rate, one column per corruption, one line with three dots per method.

    Args:
        tables: "robustness" and "scores".
        view: the study.
    """
    changes = _changes(tables)
    shown = {
        rate: [UNREDUCED, *(m for m in view.methods if rate in view.rates_of(m))] for rate in view.keep_rates
    }
    heights = [len(names) + 1 for names in shown.values()]
    fig = style.figure(style.WIDE, 1.0 + 0.15 * len(heights) + _LINE_HEIGHT * sum(heights))
    panels = fig.subplots(
        len(shown), len(CORRUPTIONS), sharex="col", sharey="row", squeeze=False, height_ratios=heights
    )
    for (rate, names), line_of_panels in zip(shown.items(), panels, strict=True):
        for kind, axes in zip(CORRUPTIONS, line_of_panels, strict=True):
            _draw_methods(axes, changes[kind], [_model(name, rate) for name in names])
        line_of_panels[0].set_yticks(range(len(names)), [METHODS[name].label for name in names])
        line_of_panels[0].set_ylim(len(names) - 0.4, -0.6)
        line_of_panels[0].set_ylabel(f"$r$ = {style.percent(rate)} %")
    for corruption, axes in zip(CORRUPTIONS.values(), panels[0], strict=True):
        axes.set_title(corruption.label)
        low, high = axes.get_xlim()
        axes.set_xlim(min(low, high - _LEAST_RANGE), max(high, 0.5))
    style.shared_xlabel(panels, "change in performance (% of that on clean images)")
    _legend(fig)
    return fig


def _changes(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Change in performance from clean to corrupted images, in percent of that on clean images.

    Relative, as a model that performs poorly on clean images has few points to lose. Performance is averaged
    over data sets, backbones and seeds first.

    Returns:
        A row per method, keep rate and severity, a column per corruption; NaN where nothing is right on clean
        images.
    """
    run = list(RUN_COLUMNS)
    both = tables["robustness"].merge(tables["scores"][[*run, "score"]], on=run, suffixes=("", "_clean"))
    by_model = both.groupby(["method", "keep_rate", "severity", "corruption"])
    means = by_model[["score", "score_clean"]].mean()
    clean = means["score_clean"].where(means["score_clean"] > 0)
    return (100 * (means["score"] / clean - 1)).unstack("corruption")


def _model(name: str, rate: str) -> Model:
    return name, UNREDUCED_RATE if name == UNREDUCED else rate


def _draw_methods(axes: Axes, changes: pd.Series, models: list[Model]) -> None:
    """One line per method, from its change at the first severity to that at the last."""
    axes.axvline(changes[(UNREDUCED, UNREDUCED_RATE, SEVERITIES[-1])], **style.BOUND, label="_unreduced")
    for height, (name, rate) in enumerate(models):
        x = [changes[(name, rate, severity)] for severity in SEVERITIES]
        color = METHODS[name].color
        axes.plot(x, [height] * len(x), color=color, label="_method", linewidth=0.7)
        for value, size in zip(x, _DOTS.values(), strict=True):
            axes.plot(value, height, "o", color=color, markersize=size, label="_dot")
    axes.tick_params(axis="y", length=0)


def _legend(fig: Figure) -> None:
    handles = [
        Line2D([], [], linestyle="", marker="o", color="0.45", markersize=size, label=f"severity {severity}")
        for severity, size in _DOTS.items()
    ]
    handles.append(Line2D([], [], **style.BOUND, label=f"unreduced model, severity {SEVERITIES[-1]}"))
    fig.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)


def make(tables: Mapping[str, pd.DataFrame], view: View) -> Table:
    """Performance on clean images, and its mean relative change over the severities of each corruption.

    Args:
        tables: "robustness" and "scores".
        view: the study.
    """
    models = _models(view)
    means = _changes(tables).groupby(["method", "keep_rate"]).mean().loc[models, list(CORRUPTIONS)]
    clean = tables["scores"].groupby(["method", "keep_rate"])["score"].mean().loc[models]
    values = pd.DataFrame({("", "clean"): clean})
    for name, corruption in CORRUPTIONS.items():
        values["change", corruption.label] = means[name]
    values["change", "mean"] = means.mean(axis=1)
    bold = values.gt(values.loc[models[0]], axis=1)
    note = (
        "Clean: percent on the test split, mean over data sets and backbones. Change: from clean to "
        "corrupted images, in percent of the performance on clean images, mean over three severities. "
        "**Bold**: above the unreduced model."
    )
    return _table("Performance on corrupted images", note, values, bold, 1)


def make_calibration(tables: Mapping[str, pd.DataFrame], view: View) -> Table:
    """Calibration of each method and keep rate on each data set.

    Args:
        tables: "calibration".
        view: the study.
    """
    rows, models = tables["calibration"], _models(view)
    rows = rows.assign(excess=rows["confidence"] - rows["accuracy"])
    means = rows.groupby(["dataset", "method", "keep_rate"])[list(_CALIBRATION)].mean()
    columns = pd.MultiIndex.from_product([view.datasets.values(), _CALIBRATION.values()])
    values = pd.DataFrame(np.nan, index=pd.MultiIndex.from_tuples(models), columns=columns)
    for dataset, label in view.datasets.items():
        if dataset in means.index:  # not those with several labels per image
            for column, heading in _CALIBRATION.items():
                values[label, heading] = means.loc[dataset, column].reindex(models)
    bold = values.lt(values.loc[models[0]], axis=1)
    bold.loc[:, [heading != _CALIBRATION["calibration_error"] for _, heading in columns]] = False
    note = (
        f"Percent, mean over backbones and seeds. Error: expected calibration error in {BINS} bins of the "
        "confidence. **Bold**: below the unreduced model. If calibrated: the error that a perfectly "
        "calibrated model with the same confidences would show on as many images. Overconfidence: mean "
        "confidence minus accuracy. Data sets with several labels per image have none of these."
    )
    return _table("Calibration", note, values, bold, 1)


def _models(view: View) -> list[Model]:
    """The unreduced model, then every method at each of its keep rates."""
    reduced = [(name, rate) for name in view.methods for rate in view.rates_of(name)]
    return [(UNREDUCED, UNREDUCED_RATE), *reduced]


def _table(title: str, note: str, values: pd.DataFrame, bold: pd.DataFrame, decimals: int) -> Table:
    """A table with a row for each model."""
    plain = {}
    for name, rate in values.index:
        suffix = "" if name == UNREDUCED else f" {style.percent(rate)}%"
        plain[METHODS[name].label + suffix] = METHODS[name].plain_label + suffix
    frames = {
        key: part.set_axis(list(plain), axis=0).set_axis(pd.MultiIndex.from_tuples(part.columns), axis=1)
        for key, part in {"values": values, "bold": bold}.items()
    }
    return Table(title, note, **frames, corner="method and keep rate", decimals=decimals, plain_index=plain)
