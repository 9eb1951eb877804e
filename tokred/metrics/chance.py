"""Chance-adjusted agreement of patterns.

IoA, IoU, Homogeneity and NMI of unrelated patterns are not 0: two random partitions of 196 tokens into 98
clusters each have an NMI of 0.82, two random sets an IoA of K1 / P. The chance level of a comparison is the
value that it would have if the tokens of one of the two patterns were permuted at random within the image.
"""

from __future__ import annotations

import numpy as np
import pandas as pd


def chance_adjusted(value: pd.Series, chance: pd.Series) -> pd.Series:
    """(value - chance) / (1 - chance): 0 for unrelated patterns, 1 for equal ones; NaN where chance is 1.

    The scale is the same for all metrics whose largest value is 1, as that of the adjusted Rand index.

    >>> chance_adjusted(pd.Series([0.9, 0.8, 1.0]), pd.Series([0.8, 0.8, 1.0])).round(3).tolist()
    [0.5, 0.0, nan]
    """
    room = (1 - chance).where(chance < 1, np.nan)
    return (value - chance) / room
