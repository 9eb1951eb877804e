"""Studies side by side: shared cells, ranks among shared methods, what reduction costs."""

from __future__ import annotations

import pandas as pd
import pytest

from tokred import published
from tokred.comparison.studies import compare_studies


def scores(rows: list[tuple[str, str, str, float]], backbone: str = "small") -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["dataset", "method", "keep_rate", "score"])
    return frame.assign(backbone=backbone, seed=0)


HERE = [("a", "none", "1.00", 80.0), ("a", "topk", "0.50", 70.0), ("a", "evit", "0.50", 75.0)]
HERE += [("a", "tome", "0.50", 60.0), ("a", "sit", "0.50", 90.0), ("a", "topk", "0.25", 1.0)]
THERE = [("a", "none", "1.00", 82.0), ("a", "topk", "0.50", 71.0), ("a", "evit", "0.50", 79.0)]
THERE += [("a", "tome", "0.50", 72.0), ("a", "ats", "0.50", 99.0), ("a", "topk", "0.90", 80.0)]


def test_shared_cells() -> None:
    cells = compare_studies(scores(HERE), scores(THERE)).cells.set_index(["method", "keep_rate"])
    assert set(cells.index) == {("none", "1.00"), ("topk", "0.50"), ("evit", "0.50"), ("tome", "0.50")}
    assert cells.loc[("tome", "0.50"), "difference"] == -12.0
    assert cells.loc[("none", "1.00"), ["score", "reference"]].tolist() == [80.0, 82.0]


def test_ranks_are_among_shared_methods_and_rates() -> None:
    found = compare_studies(scores(HERE), scores(THERE))
    assert found.methods["rank"].to_dict() == {"evit": 1.0, "topk": 2.0, "tome": 3.0}
    assert found.methods["reference"].to_dict() == {"evit": 1.0, "topk": 3.0, "tome": 2.0}
    assert found.correlation == pytest.approx(0.5)


def test_losses_need_no_shared_cells() -> None:
    found = compare_studies(scores(HERE), scores([("b", *row[1:]) for row in THERE], backbone="large"))
    assert found.cells.empty
    losses = found.losses.set_index("method")
    assert losses.loc["tome", ["score", "reference", "difference"]].tolist() == [-20.0, -10.0, -10.0]


def test_seeds_are_averaged() -> None:
    two = pd.concat([scores(HERE), scores(HERE).assign(seed=1, score=lambda rows: rows["score"] + 2)])
    cells = compare_studies(two, scores(THERE)).cells.set_index("method")
    assert cells.loc["none", "score"] == 81.0


def test_a_study_is_like_itself() -> None:
    found = compare_studies(published.scores(), published.scores())
    assert found.correlation == pytest.approx(1)
    assert len(found.cells) == 624
    assert (found.cells["difference"] == 0).all()


def test_nothing_shared() -> None:
    with pytest.raises(ValueError, match="share no method"):
        compare_studies(scores(HERE), scores([("a", "ats", "0.50", 1.0), ("a", "none", "1.00", 1.0)]))
    with pytest.raises(ValueError, match="share no keep_rate"):
        compare_studies(scores(HERE), scores([("a", "topk", "0.90", 1.0), ("a", "none", "1.00", 1.0)]))
