"""Agreement of patterns: how claims measure it, and from when on patterns agree.

IoA, IoU, Homogeneity and NMI of unrelated patterns are far from zero, so agreement is chance-adjusted: 0 for
unrelated patterns, 1 for equal ones. Degenerate pairs, whose value is what it is by definition, are left out.

The paper calls patterns consistent, or agreement high or low, without a number. The rules here are tokred's.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from tokred.claims.claim import Evidence, Finding, NotTestableError
from tokred.methods.registry import METHODS
from tokred.metrics.chance import chance_adjusted
from tokred.metrics.registry import METRICS

#: Methods whose kept tokens are cluster centers.
CENTERS = ("kmedoids", "dpcknn")
#: Patterns agree (are consistent, similar; agreement is high) above this chance-adjusted agreement: they are
#: nearer to equal than to unrelated. Below it they do not.
HALF = 0.5
#: One agreement is higher than another if it is so by this much at least: what can be seen in a figure, and
#: more than the noise of unrelated patterns.
MARGIN = 0.05


def told(values: pd.Series) -> str:
    """Numbers by method for people."""
    return ", ".join(f"{METHODS[name].plain_label} {value:.2f}" for name, value in values.items())


def pairs_of(study: Evidence, table: str, metric: str, names: Iterable[str]) -> pd.DataFrame:
    """Pairs of a metric and of some methods that are not degenerate, with their chance-adjusted `agreement`.

    Raises NotTestableError where there are none.
    """
    rows = study.tables[table]
    rows = rows[(rows["metric"] == metric) & rows["method"].isin(list(names))]
    what = f"pairs of {table.replace('_', ' ')} with {METRICS[metric].label}"
    if rows.empty:
        raise NotTestableError(f"the study has no {what}")
    rows = rows[~rows["degenerate"]]
    if rows.empty:
        raise NotTestableError(f"all {what} are degenerate (a single cluster, or all tokens kept)")
    return rows.assign(agreement=chance_adjusted(rows["mean"], rows["chance"]))


def mean_agreement(rows: pd.DataFrame) -> pd.Series:
    """Mean agreement by method, in the registry's order."""
    mean = rows.groupby("method")["agreement"].mean()
    return mean.reindex([name for name in METHODS if name in mean.index])


def by_stage(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean agreement, a row a method and a column a stage."""
    return rows.groupby(["method", "stage"])["agreement"].mean().unstack("stage")


def lowest_of_rates(rows: pd.DataFrame) -> pd.DataFrame:
    """Lowest mean agreement of a stage, a row a method and a column a keep rate."""
    stages = rows.groupby(["method", "keep_rate", "stage"])["agreement"].mean()
    return stages.groupby(["method", "keep_rate"]).min().unstack("keep_rate")


def clusters_without_centers(study: Evidence, table: str, of_clusters: str, of_centers: str) -> Finding:
    """Whether clusters agree and their centers do not, by one metric each of a table of pairs."""
    study.need_several(table)
    study.need_methods(*CENTERS)
    clusters = mean_agreement(pairs_of(study, table, of_clusters, CENTERS))
    centers = mean_agreement(pairs_of(study, table, of_centers, CENTERS))
    holds = bool((clusters > HALF).all() and (centers < HALF).all())
    return Finding(holds, f"agreement of clusters: {told(clusters)}; of centers: {told(centers)}")


def on_shared_stages(first: pd.Series, second: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Two series by stage at the stages of both; NotTestableError where they share none."""
    shared = first.index.intersection(second.index)
    if shared.empty:
        raise NotTestableError("no stage has pairs of both that are not degenerate")
    return first[shared], second[shared]
