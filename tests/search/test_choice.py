"""Which trial is chosen."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tests.search.studies import history, setting
from tokred.search.choice import best, choose, score

NAN = float("nan")


@pytest.mark.parametrize(
    ("scores", "of_best", "of_last"),
    [
        ([(10.0, NAN), (30.0, NAN), (20.0, NAN)], 30.0, 20.0),
        ([(10.0, 5.0), (30.0, 35.0), (20.0, 15.0)], 35.0, 15.0),
        ([(40.0, 5.0), (30.0, 35.0)], 40.0, 35.0),
    ],
)
def test_score_is_that_of_the_weights_that_a_run_keeps(
    scores: list[tuple[float, float]], of_best: float, of_last: float, tmp_path: Path
) -> None:
    path = history(tmp_path / "trial.parquet", setting(1, 2, 3, 4, 5), scores)
    assert (score(path, last=False), score(path, last=True)) == (of_best, of_last)


@pytest.mark.parametrize("last", [False, True])
def test_score_of_what_diverged(last: bool, tmp_path: Path) -> None:
    assert math.isnan(score(history(tmp_path / "trial.parquet", setting(1, 2, 3, 4, 5), []), last))


@pytest.mark.parametrize(
    ("scores", "place"),
    [([1.0], 0), ([1.0, 3.0, 2.0], 1), ([1.0, 3.0, 3.0], 1), ([NAN, 0.0, NAN], 1), ([2.0, 2.0], 0)],
)
def test_best_is_the_first_of_the_equal(scores: list[float], place: int) -> None:
    assert best(scores) == place


def test_best_of_none() -> None:
    with pytest.raises(ValueError, match="all 2 trials diverged"):
        best([NAN, NAN])


def test_choice_is_the_searched_settings_alone(tmp_path: Path) -> None:
    settings = [setting(0.1, 32, warmup, 0.01, 5) for warmup in (5, 20, 7)]
    files = [
        history(tmp_path / f"{i}.parquet", values, [(accuracy, NAN)])
        for i, (values, accuracy) in enumerate(zip(settings, (50.0, 60.0, 60.0), strict=True))
    ]
    choose(["a", "b", "c"], False, {"histories": files}, {"setting": str(tmp_path / "chosen.json")})
    assert json.loads((tmp_path / "chosen.json").read_text()) == settings[1]
