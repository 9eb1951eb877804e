"""Agreement of the order of the methods in this study with that in another, by backbone and data set."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tokred.comparison.studies import compare_studies
from tokred.presentation.table import Table
from tokred.statistics.correlation import spearman
from tokred.study.view import View

#: Resamples of the bootstrap over methods.
RESAMPLES = 2000
#: The row of all backbones and data sets.
ALL = "average over all"


def make(tables: Mapping[str, pd.DataFrame], view: View) -> Table:
    """Spearman correlations of average ranks; one row per backbone and data set of the other study."""
    reference = tables["reference"]
    parts = {
        f"{backbone}, {dataset}": rows
        for (dataset, backbone), rows in reference.groupby(["dataset", "backbone"], sort=False)
    }
    values = pd.DataFrame.from_dict(
        {label: _agreement(tables["scores"], rows) for label, rows in {**parts, ALL: reference}.items()},
        orient="index",
        columns=pd.MultiIndex.from_tuples(
            [("Spearman", ""), ("95 % interval", "from"), ("95 % interval", "to")]
        ),
    )
    note = (
        f"Spearman correlation of the average ranks of the methods in study {view.study} with those in "
        f"{view.reference}, at the keep rates that both have. Intervals: bootstrap over methods, "
        f"{RESAMPLES} resamples."
    )
    title = f"Order of the methods in study {view.study} and {view.reference}"
    return Table(title, note, values, corner="backbone, data set")


def _agreement(scores: pd.DataFrame, reference: pd.DataFrame) -> list[float]:
    """Correlation and the ends of its interval."""
    result = compare_studies(scores, reference)
    pairs = result.methods[["rank", "reference"]].to_numpy()
    generator = np.random.default_rng(0)
    chosen = generator.integers(len(pairs), size=(RESAMPLES, len(pairs)))
    resampled = [spearman(*pairs[indices].T) for indices in chosen]
    # A resample of one method alone has no correlation.
    low, high = np.nanpercentile(resampled, [2.5, 97.5])
    return [result.correlation, float(low), float(high)]
