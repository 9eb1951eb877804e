"""What the paper says of average patterns: over data sets, over the grid (5.3, appendices D, H, L)."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tokred.claims.agreement import told
from tokred.claims.claim import MODERATE, Claim, Evidence, Finding, NotTestableError
from tokred.methods.registry import METHODS, Family

#: Methods that the paper excepts from what it says of correlations across data sets.
_EXCEPTIONS = ("dpcknn", "kmedoids", "dynamicvit")
_RUN = ["dataset", "backbone", "keep_rate", "seed"]


def _correlations(study: Evidence, metric: str) -> pd.DataFrame:
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
    return Finding(bool((middle >= MODERATE).all()), f"median correlation: {told(middle)}")


def maps_correlate(study: Evidence) -> Finding:
    return _others_correlate(study, "pearson")


def ranks_of_maps_correlate(study: Evidence) -> Finding:
    return _others_correlate(study, "spearman")


def exceptions_correlate_positively(study: Evidence) -> Finding:
    study.need_methods(*_EXCEPTIONS)
    rows = _correlations(study, "pearson")
    least = rows[rows["method"].isin(_EXCEPTIONS)].groupby("method")["mean"].min()
    return Finding(bool((least > 0).all()), f"lowest correlation: {told(least)}")


def dpcknn_correlates_least(study: Evidence) -> Finding:
    study.need_methods("dpcknn")
    mean = _correlations(study, "pearson").groupby("method")["mean"].mean().sort_values()
    if len(mean) < 2:
        raise NotTestableError("the study has no other method with kept tokens")
    return Finding(mean.index[0] == "dpcknn", f"lowest mean correlations: {told(mean.head(3))}")


def ats_keeps_fewer(study: Evidence) -> Finding:
    study.need_methods("ats")
    study.need_rates("0.70", "0.90")
    kept = _actual(study)
    tokens = study.view.grid[0] * study.view.grid[1]
    missing = (kept["nominal"] - kept["mean"]).groupby(kept["keep_rate"]).mean()
    told_ = ", ".join(
        f"{100 * float(r):g} %: {100 * v:.1f} % ({tokens * v:.0f} tokens)" for r, v in missing.items()
    )
    holds = missing["0.90"] >= 50 / 196 and missing["0.70"] >= 10 / 196
    return Finding(bool(holds), f"fewer than it may, of all tokens, mean over stages: {told_}")


def ats_falls_behind_over_stages(study: Evidence) -> Finding:
    study.need_methods("ats")
    study.need_several("locations")
    kept = _actual(study)
    kept = kept[kept["keep_rate"] >= "0.70"]
    if kept.empty:
        raise NotTestableError("the study has no keep rate of 0.70 or more")
    share = (kept["mean"] / kept["nominal"]).groupby(kept["stage"]).mean()
    stages = ", ".join(f"stage {stage}: {100 * value:.0f} %" for stage, value in share.items())
    return Finding(
        bool(share.is_monotonic_decreasing and share.iloc[-1] < share.iloc[0]),
        f"kept of what it may: {stages}",
    )


def _actual(study: Evidence) -> pd.DataFrame:
    """Actual keep rates of ATS with the nominal ones."""
    rows = study.tables["summary"]
    rows = rows[(rows["metric"] == "actual_keep_rate") & (rows["method"] == "ats")]
    return rows.assign(nominal=rows["keep_rate"].astype(float) ** rows["stage"])


def _maps(study: Evidence, *names: str) -> pd.DataFrame:
    """Depth maps: a row a run, a column a token."""
    study.need_methods(*names)
    rows = study.tables["depth"]
    rows = rows[rows["method"].isin(names)]
    return rows.set_index([*_RUN, "method", "token"])["depth"].unstack("token")


def _border(grid: tuple[int, int]) -> NDArray:
    """Which tokens (raster order) lie at the border of the grid."""
    border = np.ones(grid, dtype=bool)
    border[1:-1, 1:-1] = False
    return border.reshape(-1)


def dynamicvit_avoids_the_border(study: Evidence) -> Finding:
    maps = _maps(study, "dynamicvit", "topk", "evit")
    border = _border(study.view.grid)
    preference = (
        (maps.loc[:, border].mean(axis=1) - maps.loc[:, ~border].mean(axis=1)).groupby("method").mean()
    )
    lowest = preference.drop("dynamicvit").min()
    return Finding(
        bool(preference["dynamicvit"] < lowest), f"blocks more at the border than inside: {told(preference)}"
    )


def ats_passes_fewer_blocks(study: Evidence) -> Finding:
    mean = _maps(study, "ats", "topk", "evit", "dynamicvit").mean(axis=1).groupby("method").mean()
    return Finding(bool(mean["ats"] < mean.drop("ats").min()), f"mean blocks passed: {told(mean)}")


def centers_are_spread_evenly(study: Evidence) -> Finding:
    pruning = ("topk", "evit", "dynamicvit", "ats")
    spread = _maps(study, "kmedoids", "dpcknn", *pruning).std(axis=1, ddof=0).groupby("method").mean()
    holds = spread[["kmedoids", "dpcknn"]].max() < spread[list(pruning)].min()
    return Finding(bool(holds), f"standard deviation of depth over tokens: {told(spread)}")


def topk_and_evit_look_alike(study: Evidence) -> Finding:
    names = ("topk", "evit", "dynamicvit", "ats")
    maps = _maps(study, *names)
    runs = {name: maps.xs(name, level="method") for name in names}
    alike = {
        (first, second): float(runs[first].corrwith(runs[second], axis=1).mean())
        for first, second in combinations(names, 2)
    }
    best = sorted(alike, key=alike.get, reverse=True)
    shown = ", ".join(
        f"{METHODS[a].plain_label} and {METHODS[b].plain_label} {alike[a, b]:.2f}" for a, b in best[:2]
    )
    return Finding(best[0] == ("topk", "evit"), f"highest correlations of depth maps: {shown}")


CLAIMS = [
    Claim(
        "maps_correlate",
        "5.3",
        "Average patterns of different data sets are moderately to highly correlated for nearly all methods.",
        "median Pearson correlation over pairs of data sets, keep rates and backbones, for each method but "
        "DPC-KNN, K-Medoids and DynamicViT; at least 0.5 (moderate)",
        ("datasets",),
        maps_correlate,
    ),
    Claim(
        "exceptions_correlate_positively",
        "5.3",
        "DPC-KNN, K-Medoids and DynamicViT correlate less in places, but always positively.",
        "lowest Pearson correlation of each; above zero",
        ("datasets",),
        exceptions_correlate_positively,
    ),
    Claim(
        "dpcknn_correlates_least",
        "5.3",
        "The lowest correlations are those of DPC-KNN.",
        "mean Pearson correlation; no method's is lower",
        ("datasets",),
        dpcknn_correlates_least,
    ),
    Claim(
        "ranks_of_maps_correlate",
        "H",
        "Other measures of average patterns find the same.",
        "median Spearman correlation as for Pearson's; at least 0.5 (moderate)",
        ("datasets",),
        ranks_of_maps_correlate,
    ),
    Claim(
        "ats_keeps_fewer",
        "4",
        "ATS uses 50 to 90 tokens fewer than it may at a keep rate of 90 %, and 10 to 30 at 70 %.",
        "tokens fewer than nominal, mean over stages; at least 50 and 10 of 196",
        ("summary",),
        ats_keeps_fewer,
    ),
    Claim(
        "ats_falls_behind_over_stages",
        "D",
        "At keep rates of 70 and 90 % ATS keeps far less than it may, above all at later stages.",
        "actual over nominal keep rate; lower at every next stage",
        ("summary",),
        ats_falls_behind_over_stages,
    ),
    Claim(
        "dynamicvit_avoids_the_border",
        "L",
        "DynamicViT prefers the center, Top-K and EViT use the border as well.",
        "mean depth at the border less that inside; lowest for DynamicViT",
        ("depth",),
        dynamicvit_avoids_the_border,
    ),
    Claim(
        "ats_passes_fewer_blocks",
        "L",
        "Tokens pass fewer blocks with ATS than with the other pruning methods.",
        "mean depth; lower than that of Top-K, EViT and DynamicViT",
        ("depth",),
        ats_passes_fewer_blocks,
    ),
    Claim(
        "centers_are_spread_evenly",
        "L",
        "Centers of K-Medoids and DPC-KNN are spread more evenly than what pruning keeps.",
        "standard deviation of the depth map over tokens; lower than that of each learned pruning method",
        ("depth",),
        centers_are_spread_evenly,
    ),
    Claim(
        "topk_and_evit_look_alike",
        "L",
        "Average patterns of Top-K and EViT look very similar.",
        "mean correlation of their depth maps; the highest of all pairs of learned pruning methods",
        ("depth",),
        topk_and_evit_look_alike,
    ),
]
