"""Agreement of patterns, and how it is told.

Where the paper calls patterns consistent or not without a number, the rule asks what is nearer: agreement (1)
or the least possible value (appendix F; 0 for measures of clusters). This is the half of what is possible:

    agreement = (value - bound) / (1 - bound)
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from tokred.claims.claim import Evidence, NotTestableError
from tokred.methods.registry import METHODS

#: Methods whose kept tokens are cluster centers.
CENTERS = ("kmedoids", "dpcknn")
HALF = 0.5


def told(values: pd.Series) -> str:
    """Numbers by method for people."""
    return ", ".join(f"{METHODS[name].plain_label} {value:.2f}" for name, value in values.items())


def agreement(rows: pd.DataFrame) -> pd.Series:
    """What is left of a value above its bound; rows whose bound is 1 say nothing and are left out."""
    bound = rows["bound"].fillna(0.0)
    return ((rows["mean"] - bound) / (1 - bound)).where(bound < 1)


def pairs_of(study: Evidence, table: str, metric: str, names: Iterable[str]) -> pd.DataFrame:
    """Rows of a metric and of some methods, with their agreement; NotTestableError where there are none."""
    rows = study.tables[table]
    rows = rows[(rows["metric"] == metric) & rows["method"].isin(list(names))]
    if rows.empty:
        raise NotTestableError(f"the study has no pairs of {table.replace('_', ' ')} with {metric}")
    return rows.assign(agreement=agreement(rows))


def mean_of(rows: pd.DataFrame, value: str = "mean") -> pd.Series:
    """Mean by method, in the registry's order."""
    mean = rows.groupby("method")[value].mean()
    return mean.reindex([name for name in METHODS if name in mean.index])
