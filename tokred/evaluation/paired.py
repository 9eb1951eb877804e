"""Comparison of two models on the same images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tokred.statistics.intervals import NORMAL


def loss_of_accuracy(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> tuple[float, float]:
    """Percentage points of accuracy that are lost, and half the width of the 95 % interval.

    Both models saw the same images, so that only images count which one of them alone classifies correctly:
    b, c of n. The interval is Wald's with half an image added to each cell of the 2 x 2 table (Agresti and
    Min 2005), which has the right coverage also for few images, or where nothing changed.

    Args:
        before, after: (n,) whether each image is classified correctly.

    >>> loss, half_width = loss_of_accuracy(np.array([True] * 90 + [False] * 10), np.array([True] * 100))
    >>> loss, round(half_width, 1)
    (-10.0, 6.1)
    """
    lost, won = int((before & ~after).sum()), int((~before & after).sum())
    count = len(before)
    variance = lost + won + 1 - (lost - won) ** 2 / (count + 2)
    return 100 * (lost - won) / count, float(100 * NORMAL * np.sqrt(variance) / (count + 2))
