"""Average rank of methods (paper Figure 1)."""

from __future__ import annotations

import pandas as pd

from tokred.run import UNREDUCED

_SETTING = ["dataset", "backbone", "keep_rate", "seed"]


def ranks(scores: pd.DataFrame) -> pd.DataFrame:
    """Performance with a column `rank` within each setting: best = 1, ties share the smaller rank.

    Args:
        scores: rows of `schemas.SCORES`. The unreduced model is not ranked. A setting ranks the methods
            that it has.
    """
    reduced = scores[scores["method"] != UNREDUCED]
    ranked = reduced.groupby(_SETTING)["score"].rank(ascending=False, method="min")
    return reduced.assign(rank=ranked)


def average_rank(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation of each method's rank over all settings, best method first.

    Returns:
        Columns method, mean, std, n (number of settings).
    """
    grouped = ranks(scores).groupby("method")["rank"]
    table = pd.DataFrame({"mean": grouped.mean(), "std": grouped.std(ddof=0), "n": grouped.size()})
    return table.sort_values("mean").reset_index()
