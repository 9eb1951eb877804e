"""Average ranks: by hand, and the check values of the paper's published Tables 1 and 7."""

from __future__ import annotations

import pandas as pd
import pytest

from tokred import published
from tokred.statistics.rank import average_rank, ranks

PUBLISHED = {
    "evit": 2.15,
    "topk": 2.60,
    "ats": 3.40,
    "tome": 3.86,
    "dpcknn": 5.23,
    "kmedoids": 6.02,
    "dynamicvit": 7.17,
    "l2": 7.75,
    "linf": 8.56,
    "l1": 8.92,
    "sit": 10.29,
    "patchmerger": 10.46,
    "sinkhorn": 12.15,
}


def test_ties_and_absent_methods() -> None:
    rows = [("a", 0.9, "x"), ("b", 0.9, "x"), ("c", 0.1, "x"), ("a", 0.5, "y"), ("c", 0.7, "y")]
    scores = pd.DataFrame(rows, columns=["method", "score", "dataset"])
    scores = scores.assign(backbone="t", keep_rate="0.50", seed=0)
    baseline = scores.iloc[:1].assign(method="none", score=1.0)
    table = average_rank(pd.concat([scores, baseline])).set_index("method")
    assert table["mean"].to_dict() == {"a": 1.5, "b": 1.0, "c": 2.0}
    assert table["n"].to_dict() == {"a": 2, "b": 1, "c": 2}
    assert table["std"].to_dict() == {"a": 0.5, "b": 0.0, "c": 1.0}


def test_published_average_ranks() -> None:
    table = average_rank(published.scores())
    assert list(table["method"]) == list(PUBLISHED)
    for name, mean in zip(table["method"], table["mean"], strict=True):
        assert mean == pytest.approx(PUBLISHED[name], abs=0.0051)


def test_published_gains() -> None:
    """EViT's largest gain over Top-K at 25 %; the largest gain of any method over no reduction at 90 %."""
    table = published.scores().set_index(["backbone", "dataset", "method", "keep_rate"])["score"]
    quarter = table.xs("0.25", level="keep_rate").unstack("method")
    assert (quarter["evit"] - quarter["topk"]).max() == pytest.approx(1.99)
    unreduced = table.xs("none", level="method").droplevel("keep_rate")
    ninety = table.xs("0.90", level="keep_rate").unstack("method")
    assert ninety.sub(unreduced, axis=0).max().max() == pytest.approx(0.56)


def test_published_strength_of_topk() -> None:
    ranked = ranks(published.scores())
    topk = ranked[(ranked["method"] == "topk") & (ranked["keep_rate"] != "0.25")]
    assert len(topk) == 36
    assert (topk["rank"] == 1).sum() == 13
    assert (topk["rank"] <= 3).sum() == 30
