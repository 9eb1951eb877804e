"""Performance of every method at equal multiply-accumulates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tokred.artifacts.style import percent
from tokred.methods.registry import METHODS
from tokred.presentation.table import Table
from tokred.run import UNREDUCED
from tokred.statistics.intervals import describe, mean_and_half_width
from tokred.statistics.pareto import interpolate
from tokred.study.view import View

_CURVE = ["dataset", "backbone", "method", "seed"]
_NOTE = (
    "Performance in percent, interpolated between a method's keep rates (and the unreduced model) to equal "
    "multiply-accumulates: those of the most expensive method at each keep rate. A dash: the method does not "
    "get as cheap as that. **Bold**: the best of a backbone."
)


def make(tables: Mapping[str, pd.DataFrame], view: View) -> Table:
    """One row per backbone and method, one column per data set and budget.

    Args:
        tables: "macs" and "scores".
        view: the study.
    """
    rows = tables["scores"].merge(tables["macs"][[*_CURVE, "keep_rate", "total"]])
    budget = budgets(rows, view)
    names = [name for name in view.methods if name in set(rows["method"])]
    keys = [(backbone, name) for backbone in view.backbones for name in names]
    columns = [(dataset, rate) for dataset in view.datasets for rate in view.keep_rates]
    labels = [f"{view.backbones[backbone]} {METHODS[name].label}" for backbone, name in keys]
    values = pd.DataFrame(index=labels, columns=pd.MultiIndex.from_tuples(columns), dtype=float)
    half = values.copy()
    for label, (backbone, name) in zip(labels, keys, strict=True):
        for dataset, rate in columns:
            curves = rows[(rows["dataset"] == dataset) & (rows["backbone"] == backbone)]
            found = _at(curves, name, budget.get((dataset, backbone, rate), np.nan))
            values.loc[label, (dataset, rate)], half.loc[label, (dataset, rate)] = found
    of_backbone = [backbone for backbone, _ in keys]
    bold = values.eq(values.groupby(of_backbone).transform("max"))
    heads = pd.MultiIndex.from_tuples(
        [(view.datasets[dataset], f"{percent(rate)}%") for dataset, rate in columns]
    )
    plain = dict(
        zip(labels, (f"{view.backbones[b]} {METHODS[name].plain_label}" for b, name in keys), strict=True)
    )
    frames = {"values": values, "bold": bold, "half_width": half if half.notna().any(axis=None) else None}
    frames = {name: part if part is None else part.set_axis(heads, axis=1) for name, part in frames.items()}
    note = f"{_NOTE} {_in_words(budget, view)}"
    if frames["half_width"] is not None:
        note += f" ±: {describe(len(view.seeds))}."
    return Table("Performance at equal cost", note, **frames, plain_index=plain)


def budgets(rows: pd.DataFrame, view: View) -> dict[tuple[str, str, str], float]:
    """Multiply-accumulates of the most expensive method, by data set, backbone and keep rate.

    Args:
        rows: performance of every run, with its multiply-accumulates in `total`.
    """
    reduced = rows[rows["method"] != UNREDUCED]
    found = reduced.groupby(["dataset", "backbone", "keep_rate"])["total"].max()
    return {key: value for key, value in found.items() if key[2] in view.keep_rates}


def _at(rows: pd.DataFrame, name: str, budget: float) -> tuple[float, float]:
    """Mean and half width of a method's performance at a budget; NaN where it does not reach it.

    Performance and its standard error are interpolated for each seed: neighboring models see the same images,
    so that their errors are taken as fully correlated.
    """
    found = []
    for seed, curve in rows[rows["method"].isin([name, UNREDUCED])].groupby("seed"):
        if (curve["method"] == name).any():
            cost = curve["total"].to_numpy()
            score, error = (
                interpolate(cost, curve[column].to_numpy(), budget) for column in ("score", "std_error")
            )
            found.append({"dataset": "", "seed": seed, "score": score, "std_error": error})
    if not found or any(np.isnan(row["score"]) for row in found):
        return np.nan, np.nan
    return mean_and_half_width(pd.DataFrame(found), "score", "std_error")


def _in_words(budget: Mapping[tuple[str, str, str], float], view: View) -> str:
    """The budgets of the first data set, in GMACs."""
    first = next(iter(view.datasets))
    parts = []
    for backbone, label in view.backbones.items():
        of_backbone = [
            budget[first, backbone, rate] / 1e9
            for rate in view.keep_rates
            if (first, backbone, rate) in budget
        ]
        parts.append(f"{label} {', '.join(f'{gmacs:.3g}' for gmacs in of_backbone)}")
    return f"GMACs on {view.datasets[first]}: {'; '.join(parts)}."
