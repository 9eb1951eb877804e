"""Agreement of patterns: its measure in claims, and the threshold above which patterns agree.

IoA, IoU, Homogeneity and NMI of unrelated patterns are far from zero, so agreement is chance-adjusted: 0 for
unrelated patterns, 1 for equal ones. Degenerate pairs, whose value follows from their sizes, are left out.

The paper calls patterns consistent, or agreement high or low, without numbers. The thresholds are tokred's.
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
#: Patterns agree (are consistent, are similar, have high agreement) above this chance-adjusted agreement,
#: where they are nearer to equal than to unrelated ones, and do not agree below it.
HALF = 0.5
#: Least difference by which one agreement is higher than another: visible in a figure, and larger than the
#: noise of unrelated patterns.
MARGIN = 0.05


def as_text(values: pd.Series) -> str:
    """Values by method as text."""
    return ", ".join(f"{METHODS[name].plain_label} {value:.2f}" for name, value in values.items())


def pairs_of(study: Evidence, table: str, metric: str, names: Iterable[str]) -> pd.DataFrame:
    """Pairs of some methods that are not degenerate, with their chance-adjusted `agreement` by a metric.

    Raises NotTestableError if there are none.
    """
    rows = study.tables[table]
    rows = rows[(rows["metric"] == metric) & rows["method"].isin(list(names))]
    pairs = f"pairs of {table.replace('_', ' ')} with {METRICS[metric].label}"
    if rows.empty:
        raise NotTestableError(f"the study has no {pairs}")
    rows = rows[~rows["degenerate"]]
    if rows.empty:
        raise NotTestableError(f"all {pairs} are degenerate (a single cluster, or all tokens kept)")
    return rows.assign(agreement=chance_adjusted(rows["mean"], rows["chance"]))


def mean_agreement(rows: pd.DataFrame) -> pd.Series:
    """Mean agreement by method, in the registry's order."""
    mean = rows.groupby("method")["agreement"].mean()
    return mean.reindex([name for name in METHODS if name in mean.index])


def by_stage(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean agreement: one row per method, one column per stage."""
    return rows.groupby(["method", "stage"])["agreement"].mean().unstack("stage")


def lowest_of_rates(rows: pd.DataFrame) -> pd.DataFrame:
    """Lowest mean agreement over stages: one row per method, one column per keep rate."""
    stages = rows.groupby(["method", "keep_rate", "stage"])["agreement"].mean()
    return stages.groupby(["method", "keep_rate"]).min().unstack("keep_rate")


def clusters_without_centers(study: Evidence, table: str, of_clusters: str, of_centers: str) -> Finding:
    """Whether clusters agree and their centers do not.

    Args:
        study: the evidence.
        table: name of the table of pairs.
        of_clusters, of_centers: names of the metrics of clusters and of centers.
    """
    study.need_several(table)
    study.need_methods(*CENTERS)
    clusters = mean_agreement(pairs_of(study, table, of_clusters, CENTERS))
    centers = mean_agreement(pairs_of(study, table, of_centers, CENTERS))
    holds = bool((clusters > HALF).all() and (centers < HALF).all())
    return Finding(holds, f"agreement of clusters: {as_text(clusters)}; of centers: {as_text(centers)}")


def on_shared_stages(first: pd.Series, second: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Two series by stage at their common stages; NotTestableError if there are none."""
    shared = first.index.intersection(second.index)
    if shared.empty:
        raise NotTestableError("no stage has pairs of both that are not degenerate")
    return first[shared], second[shared]
