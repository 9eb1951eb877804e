"""Normalized mutual information (paper equations 6-7)."""

from __future__ import annotations

from numpy.typing import NDArray

from tokred.metrics.contingency import entropies, share


def normalized_mutual_information(labels_a: NDArray, labels_b: NDArray) -> NDArray:
    """I(A; B) over the arithmetic mean of H(A) and H(B), which is the V-measure; 1 if both are 0.

    Args:
        labels_a, labels_b: (n, P) labels.

    Returns:
        (n,) values in [0, 1].

    >>> import numpy as np
    >>> normalized_mutual_information(np.array([[0, 0, 1, 1]]), np.array([[5, 5, 2, 2]]))
    array([1.])
    """
    found = entropies(labels_a, labels_b)
    return share(found.mutual_information, (found.a + found.b) / 2)
