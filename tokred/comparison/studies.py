"""Performance of one study compared with that of another, or with the published numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from tokred.run import UNREDUCED
from tokred.statistics.correlation import spearman
from tokred.statistics.rank import average_rank

_CELL = ["dataset", "backbone", "method", "keep_rate"]


@dataclass(frozen=True)
class Comparison:
    """Performance of two studies side by side.

    Attributes:
        methods: one row per method that both have, in the order of the average ranks in this study: columns
            `rank`, `reference`, `difference`. Ranks are among these methods, at the common keep rates.
        cells: one row per data set, backbone, method and keep rate that both have: `score`, `reference` and
            `difference` (score - reference), in percent; empty if they have none in common.
        losses: one row per method and keep rate that both have: mean difference to the unreduced model over
            data sets and backbones, in this study (`score`) and in the other (`reference`), in points.
        correlation: Spearman correlation of the two average ranks, NaN for fewer than two methods.
    """

    methods: pd.DataFrame
    cells: pd.DataFrame
    losses: pd.DataFrame
    correlation: float


def compare_studies(scores: pd.DataFrame, reference: pd.DataFrame) -> Comparison:
    """Compare two tables of performance (`schemas.SCORES`); several seeds are averaged.

    Raises:
        ValueError: the studies share no method, or no keep rate.
    """
    shared = {}
    for column in ("method", "keep_rate"):
        shared[column] = set(_reduced(scores)[column]) & set(_reduced(reference)[column])
        if not shared[column]:
            raise ValueError(f"the two studies share no {column}: nothing to compare")
    here, there = (_only(frame, shared) for frame in (scores, reference))
    ranks = _side_by_side(*(average_rank(frame).set_index("method")["mean"] for frame in (here, there)))
    ranks = ranks.rename(columns={"score": "rank"}).sort_values("rank")
    cells = _side_by_side(*(frame.groupby(_CELL)["score"].mean() for frame in (scores, reference)))
    losses = _side_by_side(*(_losses(frame) for frame in (here, there)))
    correlation = float("nan")
    if len(ranks) > 1:
        correlation = spearman(ranks["rank"].to_numpy(), ranks["reference"].to_numpy())
    return Comparison(ranks, cells.reset_index(), losses.reset_index(), float(correlation))


def _reduced(scores: pd.DataFrame) -> pd.DataFrame:
    return scores[scores["method"] != UNREDUCED]


def _only(scores: pd.DataFrame, shared: Mapping[str, set[str]]) -> pd.DataFrame:
    """Rows of shared methods and keep rates, and of the unreduced model."""
    chosen = scores["method"].isin(shared["method"]) & scores["keep_rate"].isin(shared["keep_rate"])
    return scores[chosen | (scores["method"] == UNREDUCED)]


def _side_by_side(here: pd.Series, there: pd.Series) -> pd.DataFrame:
    """Values that both have, and their difference."""
    frame = pd.DataFrame({"score": here, "reference": there}).dropna()
    return frame.assign(difference=frame["score"] - frame["reference"])


def _losses(scores: pd.DataFrame) -> pd.Series:
    """Mean difference to the unreduced model, by method and keep rate."""
    key = ["dataset", "backbone", "seed"]
    unreduced = scores[scores["method"] == UNREDUCED].set_index(key)["score"]
    reduced = _reduced(scores).set_index([*key, "method", "keep_rate"])["score"]
    return reduced.sub(unreduced).groupby(["method", "keep_rate"]).mean()
