"""What the paper says of single patterns: how many tokens, which places, how many clusters (4, D, L, M)."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tokred.claims.agreement import MARGIN, told
from tokred.claims.claim import HIGH, Basis, Claim, Evidence, Finding, NotTestableError
from tokred.methods.registry import METHODS, Family

_RUN = ["dataset", "backbone", "keep_rate", "seed"]


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


def _border(grid: tuple[int, int]) -> NDArray[Any]:
    """Which tokens (raster order) lie at the border of the grid."""
    border = np.ones(grid, dtype=bool)
    border[1:-1, 1:-1] = False
    return border.reshape(-1)


def _center(grid: tuple[int, int]) -> NDArray[Any]:
    """Which tokens (raster order) lie in the middle half of rows and columns."""
    rows, columns = grid
    center = np.zeros(grid, dtype=bool)
    center[rows // 4 : rows - rows // 4, columns // 4 : columns - columns // 4] = True
    return center.reshape(-1)


def _preference(study: Evidence, maps: pd.DataFrame, place: NDArray[Any]) -> pd.Series:
    """Blocks that tokens of some places pass more than the others, mean by method."""
    if min(study.view.grid) < 4:
        raise NotTestableError(
            f"a grid of {study.view.grid} tokens is too small to have a border and a center"
        )
    inside, outside = maps.loc[:, place].mean(axis=1), maps.loc[:, ~place].mean(axis=1)
    return (inside - outside).groupby("method").mean()


def dynamicvit_avoids_the_border(study: Evidence) -> Finding:
    maps = _maps(study, "dynamicvit", "topk", "evit")
    preference = _preference(study, maps, _border(study.view.grid))
    lowest = preference.drop("dynamicvit").min()
    return Finding(
        bool(preference["dynamicvit"] < lowest), f"blocks more at the border than inside: {told(preference)}"
    )


def ats_keeps_border_and_center(study: Evidence) -> Finding:
    maps = _maps(study, "ats", "dynamicvit")
    border = _preference(study, maps, _border(study.view.grid))
    center = _preference(study, maps, _center(study.view.grid))
    numbers = f"blocks more at the border than inside: {told(border)}; in the center: {told(center)}"
    return Finding(bool(border["ats"] > border["dynamicvit"] and center["ats"] > 0), numbers)


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
    best = sorted(alike, key=lambda pair: alike[pair], reverse=True)
    shown = ", ".join(
        f"{METHODS[a].plain_label} and {METHODS[b].plain_label} {alike[a, b]:.2f}" for a, b in best[:2]
    )
    holds = best[0] == ("topk", "evit") and alike[best[0]] >= HIGH
    return Finding(holds, f"highest correlations of depth maps: {shown}")


def soft_clusters_collapse(study: Evidence) -> Finding:
    rows = study.tables["summary"]
    mean = rows[rows["metric"] == "non_empty_clusters"].groupby("method")["mean"].mean()
    soft, hard = (mean.reindex(study.methods(family)).dropna() for family in (Family.SOFT, Family.HARD))
    if soft.empty or hard.empty:
        raise NotTestableError("the study has no counts of clusters of both soft and hard merging")
    holds = bool(soft.max() <= hard.min() - MARGIN)
    return Finding(holds, f"part of the K clusters that has tokens: {told(soft)}; {told(hard)}")


CLAIMS = [
    Claim(
        "ats_keeps_fewer",
        "4",
        "ATS uses 50 to 90 tokens fewer than it may at a keep rate of 90 %, and 10 to 30 at 70 %.",
        "tokens fewer than nominal, mean over stages; at least 50 and 10 of 196",
        Basis.PAPER,
        ("summary",),
        ats_keeps_fewer,
    ),
    Claim(
        "ats_falls_behind_over_stages",
        "D",
        "At keep rates of 70 and 90 % ATS keeps far less than it may, above all at later stages.",
        "actual over nominal keep rate; lower at every next stage",
        Basis.PAPER,
        ("summary",),
        ats_falls_behind_over_stages,
    ),
    Claim(
        "dynamicvit_avoids_the_border",
        "L",
        "DynamicViT prefers the center, Top-K and EViT use the border as well.",
        "mean depth at the border less that inside; lowest for DynamicViT",
        Basis.OURS,
        ("depth",),
        dynamicvit_avoids_the_border,
    ),
    Claim(
        "ats_keeps_border_and_center",
        "L",
        "ATS keeps tokens at the border, as Top-K and EViT do, and in the center.",
        "mean depth at the border less that inside is higher than DynamicViT's; mean depth in the middle "
        "half of rows and columns is higher than outside",
        Basis.OURS,
        ("depth",),
        ats_keeps_border_and_center,
    ),
    Claim(
        "ats_passes_fewer_blocks",
        "L",
        "Tokens pass fewer blocks with ATS than with the other pruning methods.",
        "mean depth; lower than that of Top-K, EViT and DynamicViT",
        Basis.PAPER,
        ("depth",),
        ats_passes_fewer_blocks,
    ),
    Claim(
        "centers_are_spread_evenly",
        "L",
        "Centers of K-Medoids and DPC-KNN are spread more evenly than what pruning keeps.",
        "standard deviation of the depth map over tokens; lower than that of each learned pruning method",
        Basis.OURS,
        ("depth",),
        centers_are_spread_evenly,
    ),
    Claim(
        "topk_and_evit_look_alike",
        "L",
        "Average patterns of Top-K and EViT look very similar.",
        "mean correlation of their depth maps; the highest of all pairs of learned pruning methods, and at "
        "least 0.7 (high)",
        Basis.OURS,
        ("depth",),
        topk_and_evit_look_alike,
    ),
    Claim(
        "soft_clusters_collapse",
        "M",
        "Clusters of soft merging collapse: few of them have any token.",
        "part of the K clusters that has tokens, mean over keep rates and stages; that of every soft merging "
        "method below that of every hard merging method, by at least 0.05",
        Basis.OURS,
        ("summary",),
        soft_clusters_collapse,
    ),
]
