"""Claims about average patterns of different data sets (section 5.3, appendix H)."""

from __future__ import annotations

import pandas as pd

from tokred.claims.agreement import as_text
from tokred.claims.claim import MODERATE, Basis, Claim, Evidence, Finding, NotTestableError
from tokred.methods.registry import METHODS, Family
from tokred.metrics.registry import METRICS
from tokred.statistics.correlation import spearman

#: Methods that the paper excepts from its claims about correlations across data sets.
_EXCEPTIONS = ("dpcknn", "kmedoids", "dynamicvit")
#: Columns of one pair of data sets.
_PAIR = ["dataset", "other_dataset", "backbone", "method", "keep_rate", "seed"]
#: Measures that appendix H adds to the two correlations.
_OTHERS = ("emd", "jensen_shannon", "histogram")


def _correlations(study: Evidence, metric: str) -> pd.DataFrame:
    """Values of a metric of average patterns, without fixed patterns, which are the same on all data sets."""
    study.need_several("datasets")
    rows = study.tables["datasets"]
    fixed = [name for name in METHODS if METHODS[name].family is Family.FIXED]
    return rows[(rows["metric"] == metric) & ~rows["method"].isin(fixed)]


def _others_correlate(study: Evidence, metric: str) -> Finding:
    rows = _correlations(study, metric)
    rows = rows[~rows["method"].isin(_EXCEPTIONS)]
    if rows.empty:
        raise NotTestableError("the study has no pruning methods besides those that the paper excepts")
    middle = rows.groupby("method")["mean"].median()
    return Finding(bool((middle >= MODERATE).all()), f"median correlation: {as_text(middle)}")


def maps_correlate(study: Evidence) -> Finding:
    return _others_correlate(study, "pearson")


def ranks_of_maps_correlate(study: Evidence) -> Finding:
    return _others_correlate(study, "spearman")


def exceptions_correlate_positively(study: Evidence) -> Finding:
    study.need_methods(*_EXCEPTIONS)
    rows = _correlations(study, "pearson")
    least = rows[rows["method"].isin(_EXCEPTIONS)].groupby("method")["mean"].min()
    return Finding(bool((least > 0).all()), f"lowest correlation: {as_text(least)}")


def dpcknn_correlates_least(study: Evidence) -> Finding:
    study.need_methods("dpcknn")
    mean = _correlations(study, "pearson").groupby("method")["mean"].mean().sort_values()
    if len(mean) < 2:
        raise NotTestableError("the study has no other method with kept tokens")
    return Finding(mean.index[0] == "dpcknn", f"lowest mean correlations: {as_text(mean.head(3))}")


def other_measures_agree_with_pearson(study: Evidence) -> Finding:
    rows = pd.concat([_correlations(study, metric) for metric in ("pearson", *_OTHERS)])
    values = rows.assign(similarity=rows["mean"] * rows["metric"].map(_sign).astype(float))
    table = values.set_index([*_PAIR, "metric"])["similarity"].unstack("metric").dropna()
    if len(table) < 3 or not {"pearson", *_OTHERS} <= set(table.columns):
        raise NotTestableError("the study has fewer than 3 pairs of average patterns")
    correlations = {name: spearman(table[name].to_numpy(), table["pearson"].to_numpy()) for name in _OTHERS}
    shown = ", ".join(f"{METRICS[name].label} {value:.2f}" for name, value in correlations.items())
    holds = all(value >= MODERATE for value in correlations.values())
    return Finding(bool(holds), f"rank correlation with Pearson's over {len(table)} pairs: {shown}")


def _sign(metric: str) -> int:
    return 1 if METRICS[metric].larger_is_similar else -1


CLAIMS = [
    Claim(
        "maps_correlate",
        "5.3",
        "Average patterns of different data sets are moderately to highly correlated for nearly all methods.",
        "median Pearson correlation over pairs of data sets, keep rates and backbones, for each method but "
        "DPC-KNN, K-Medoids and DynamicViT; at least 0.5 (moderate)",
        Basis.PAPER,
        ("datasets",),
        maps_correlate,
    ),
    Claim(
        "exceptions_correlate_positively",
        "5.3",
        "DPC-KNN, K-Medoids and DynamicViT are sometimes less correlated, but always positively.",
        "lowest Pearson correlation of each method; above zero",
        Basis.PAPER,
        ("datasets",),
        exceptions_correlate_positively,
    ),
    Claim(
        "dpcknn_correlates_least",
        "5.3",
        "DPC-KNN has the lowest correlations.",
        "mean Pearson correlation; no other method has a lower one",
        Basis.PAPER,
        ("datasets",),
        dpcknn_correlates_least,
    ),
    Claim(
        "ranks_of_maps_correlate",
        "H",
        "Spearman's rank correlation of average patterns leads to the same finding.",
        "median Spearman correlation, for the same methods as Pearson's; at least 0.5 (moderate)",
        Basis.PAPER,
        ("datasets",),
        ranks_of_maps_correlate,
    ),
    Claim(
        "other_measures_agree_with_pearson",
        "H, Figure 12",
        "Earth Mover's Distance, Jensen-Shannon divergence and histogram similarity agree with Pearson's "
        "correlation.",
        "Spearman correlation with Pearson's over all pairs of average patterns, distances turned into "
        "similarities; at least 0.5 (the paper's word for it is moderate) for each",
        Basis.OURS,
        ("datasets",),
        other_measures_agree_with_pearson,
    ),
]
