"""95 % confidence intervals of means: over seeds where a study has several, otherwise over images.

Over seeds: Student's t of the seeds' values. Over images: 1.96 standard errors of the bootstrap, which for
the mean over n images is std / sqrt(n), without resampling. Values from the same images (several keep rates,
pairs or backbones of one data set) are taken as fully correlated: the standard error of their mean is the
mean of their standard errors. Data sets are independent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # captions need neither pandas nor SciPy
    import pandas as pd

#: Half width of a 95 % interval, in standard errors.
NORMAL = 1.959964
#: Descriptions of intervals, for captions.
OVER_SEEDS = "95 % intervals over {} seeds (Student's t)"
OVER_IMAGES = "95 % intervals over test images (bootstrap, one seed)"


def over_seeds(values: pd.Series) -> float:
    """Half width of the 95 % interval of a mean over two or more seeds."""
    from scipy.stats import t

    return float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))


def mean_and_half_width(rows: pd.DataFrame, value: str, error: str) -> tuple[float, float]:
    """Mean of the values of some runs or pairs, and half the width of its 95 % interval.

    Args:
        rows: has columns `dataset`, `seed`, the value, and its standard error over images (NaN where
            there is none; the half width is then NaN as well, unless there are several seeds).
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
    """Standard error over images for each row of `schemas.PAIRS` or `schemas.SUMMARY`."""
    return rows["std"] / np.sqrt(rows["n"])


def describe(seeds: int) -> str:
    """Description of the intervals of a study with this number of seeds."""
    return OVER_SEEDS.format(seeds) if seeds > 1 else OVER_IMAGES
