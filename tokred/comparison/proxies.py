"""Does similarity to a reference method predict the performance of a method? (paper section 5.5)"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from tokred.comparison.pairs import TableRow
from tokred.comparison.runs import Files
from tokred.run import UNREDUCED
from tokred.statistics.correlation import kendall, spearman
from tokred.tables import schemas

#: Columns that identify a correlation, as in `schemas.PROXIES`.
_SETTING = ["dataset", "backbone", "method", "keep_rate", "seed", "measure", "stage"]


def compare(inputs: Files) -> Iterator[TableRow]:
    """Correlation of performance with the similarity of patterns ("methods") and of CLS features."""
    pairs = schemas.read([*inputs["methods"], *inputs["features"]], schemas.PAIRS)
    return correlate(schemas.read(inputs["scores"], schemas.SCORES), pairs)


def correlate(scores: pd.DataFrame, pairs: pd.DataFrame) -> Iterator[TableRow]:
    """Correlation between f(A) - f(B) and d(A, B) over the methods B, for every reference method A.

    The unreduced model is never among the methods B.

    Args:
        scores: performance f, rows of `schemas.SCORES`.
        pairs: measures d between reference methods (run columns) and others, rows of `schemas.PAIRS`.

    Raises:
        ValueError: the unreduced model is among the others.
    """
    if (pairs["other_method"] == UNREDUCED).any():
        raise ValueError("pairs of methods have the unreduced model as method B: it can only be method A")
    key = ["dataset", "backbone", "method", "keep_rate", "seed"]
    score = scores.set_index(key)["score"]
    other = [f"other_{name}" for name in key]
    difference = score.loc[pd.MultiIndex.from_frame(pairs[key])].to_numpy()
    difference = difference - score.loc[pd.MultiIndex.from_frame(pairs[other])].to_numpy()
    # The keep rate of a setting is that of the methods B: method A may be the unreduced model.
    pairs = pairs.assign(difference=difference, keep_rate=pairs["other_keep_rate"], measure=pairs["metric"])
    for setting, rows in pairs.groupby(_SETTING):
        rows = rows.dropna(subset=["mean"])
        for name, function in (("spearman", spearman), ("kendall", kendall)):
            value = function(rows["difference"].to_numpy(), rows["mean"].to_numpy())
            result = {"correlation": name, "value": float(value), "n": len(rows)}
            yield dict(zip(_SETTING, setting, strict=True)) | result
