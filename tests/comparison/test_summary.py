"""Statistics of one run's patterns, and the performance that a study is compared with."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.tables.files import RUN, make_patterns, make_scores
from tokred import published
from tokred.comparison import reference, summary
from tokred.tables.registry import OTHER_STUDY


def test_a_run_that_keeps_one_of_two_tokens(tmp_path: Path) -> None:
    """The stage in block 1 of 2 keeps the first token of each of nine images."""
    make_patterns(tmp_path / "patterns.parquet")
    rows, depth = summary.summarize({"patterns": [str(tmp_path / "patterns.parquet")]})
    found = {(row["metric"], row["stage"]): row for row in rows}
    assert set(found) == {("actual_keep_rate", 1), ("depth", 0)}
    rate = found["actual_keep_rate", 1]
    assert (rate["mean"], rate["std"], rate["n"]) == (0.5, 0, 9)
    assert found["depth", 0]["mean"] == pytest.approx((2 + 1) / 2)  # blocks that the two tokens pass
    assert [(row["method"], row["token"], row["depth"]) for row in depth] == [("topk", 0, 2), ("topk", 1, 1)]


def test_reference_is_the_publication_or_another_study(tmp_path: Path) -> None:
    found, stored = pd.DataFrame(reference.scores({}, "published")), published.scores()
    pd.testing.assert_frame_equal(found, stored.reset_index(drop=True), check_dtype=False)
    make_scores(tmp_path / "scores.parquet")
    (row,) = reference.scores({OTHER_STUDY: [str(tmp_path / "scores.parquet")]}, "mine")
    assert (row["method"], row["seed"], row["score"]) == (RUN.method, RUN.seed, 50)
