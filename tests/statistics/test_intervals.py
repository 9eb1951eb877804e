"""Intervals: how often they hold the true mean, and by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import bootstrap

from tokred.statistics.intervals import NORMAL, describe, mean_and_half_width, over_seeds, standard_error


def test_over_seeds_by_hand() -> None:
    # t(0.975, 2) = 4.3027; standard deviation 1, three seeds
    assert over_seeds(pd.Series([1.0, 2.0, 3.0])) == pytest.approx(4.30265 / np.sqrt(3), rel=1e-5)


@pytest.mark.slow
def test_over_seeds_holds_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(4000, 4))
    inside = [abs(values.mean()) <= over_seeds(pd.Series(values)) for values in draws]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.012)


def test_standard_error_is_the_bootstrap_s() -> None:
    values = np.random.default_rng(1).gamma(2.0, size=400)
    rows = pd.DataFrame({"std": [values.std()], "n": [400]})
    drawn = bootstrap((values,), np.mean, n_resamples=4000, rng=np.random.default_rng(2))
    assert standard_error(rows).item() == pytest.approx(drawn.standard_error, rel=0.03)


def test_one_seed_uses_images_of_independent_data_sets() -> None:
    rows = pd.DataFrame(
        {"dataset": ["a", "a", "b"], "seed": [0, 0, 0], "value": [1.0, 3.0, 5.0], "error": [0.1, 0.3, 0.6]}
    )
    mean, half = mean_and_half_width(rows, "value", "error")
    assert mean == 3.0
    # the two of "a" move together: mean error 0.2, weight 2/3; "b": 0.6, weight 1/3
    assert half == pytest.approx(NORMAL * np.sqrt((2 / 3 * 0.2) ** 2 + (1 / 3 * 0.6) ** 2))


def test_several_seeds_use_the_seeds() -> None:
    rows = pd.DataFrame(
        {"dataset": ["a", "b"] * 2, "seed": [0, 0, 1, 1], "value": [1.0, 3.0, 2.0, 4.0], "error": np.nan}
    )
    mean, half = mean_and_half_width(rows, "value", "error")
    assert mean == 2.5
    assert half == pytest.approx(over_seeds(pd.Series([2.0, 3.0])))
    assert describe(2) == "95 % intervals over 2 seeds (Student's t)"
    assert "over test images" in describe(1)


def test_unknown_error_gives_no_interval() -> None:
    rows = pd.DataFrame({"dataset": ["a", "b"], "seed": 0, "value": [1.0, 2.0], "error": [0.1, np.nan]})
    mean, half = mean_and_half_width(rows, "value", "error")
    assert mean == 1.5
    assert np.isnan(half)
