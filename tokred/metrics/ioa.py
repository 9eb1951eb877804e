"""Intersection over Area (paper equation 1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tokred.metrics.sets import Sets, common, pack_both, ratio


def intersection_over_area(larger: Sets, smaller: Sets) -> NDArray:
    """Part of the smaller set that lies in the larger one: |M1 n M2| / |M2|; 0 for an empty M2.

    Args:
        larger: (n, P) booleans or packed sets, M1, kept at the higher keep rate r1.
        smaller: (n, P) booleans or packed sets, M2, kept at r2 < r1.

    Returns:
        (n,) values in [0, 1].

    Raises:
        ValueError: different shapes.

    >>> import numpy as np
    >>> intersection_over_area(np.array([[1, 1, 0, 1]], bool), np.array([[1, 0, 1, 0]], bool))
    array([0.5])
    """
    first, second = pack_both(larger, smaller)
    return ratio(common(first, second), second.sizes)


def expected_ioa(larger: Sets, smaller: Sets) -> NDArray:
    """IoA expected of unrelated sets of the same sizes: K1 / P, 0 for an empty M2.

    Two random sets share K1 K2 / P tokens on average.

    Args and errors as of `intersection_over_area`.

    >>> import numpy as np
    >>> expected_ioa(np.array([[1, 1, 0, 1]], bool), np.array([[1, 0, 1, 0]], bool))
    array([0.75])
    """
    first, second = pack_both(larger, smaller)
    return np.where(second.sizes > 0, first.sizes / first.tokens, 0.0)
