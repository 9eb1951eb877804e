"""95 % intervals of means: over seeds where a study has several, else over images.

Over seeds: Student's t of the seeds' values. Over images: 1.96 standard errors of the bootstrap, which for
the mean over n images is std / sqrt(n) without resampling. Values from the same images (several keep rates,
pairs or backbones of one data set) go up and down together: the error of their mean is taken as the mean of
their errors. Data sets are independent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # captions need neither pandas nor SciPy
    import pandas as pd

#: Standard errors to each side of a mean.
NORMAL = 1.959964
#: What the interval is, for captions.
OVER_SEEDS = "95 % intervals over {} seeds (Student's t)"
OVER_IMAGES = "95 % intervals over test images (bootstrap, one seed)"


def over_seeds(values: pd.Series) -> float:
    """Half width of the interval of a mean over two or more seeds."""
    from scipy.stats import t

    return float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))


def mean_and_half_width(rows: pd.DataFrame, value: str, error: str) -> tuple[float, float]:
    """Mean of some runs' or pairs' values, and half the width of its interval.

    Args:
        rows: has columns `dataset`, `seed`, the value, and its standard error over images (NaN where it has
            none: then so is the half width, unless there are several seeds).
        value, error: names of these columns.
    """
    mean = float(rows[value].mean())
    by_seed = rows.groupby("seed")[value].mean()
    if len(by_seed) > 1:
        return mean, over_seeds(by_seed)
    of_dataset = rows.groupby("dataset")[error]
    share = of_dataset.size() / len(rows)
    errors = of_dataset.apply(lambda values: values.mean(skipna=False))
    return mean, float(NORMAL * np.sqrt((share**2 * errors**2).sum(skipna=False)))


def standard_error(rows: pd.DataFrame) -> pd.Series:
    """Standard error over images of the rows of `tables.PAIRS` or `tables.SUMMARY`."""
    return rows["std"] / np.sqrt(rows["n"])


def describe(seeds: int) -> str:
    """What intervals of a study with so many seeds are."""
    return OVER_SEEDS.format(seeds) if seeds > 1 else OVER_IMAGES
