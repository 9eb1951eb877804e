"""Homogeneity of clusters (Rosenberg & Hirschberg 2007; paper equations 3-5)."""

from __future__ import annotations

from numpy.typing import NDArray

from tokred.metrics.contingency import entropies, share


def homogeneity(finer: NDArray, coarser: NDArray) -> NDArray:
    """How well each finer cluster stays within one coarser cluster: 1 - H(M2 | M1) / H(M2), 1 if H(M2) = 0.

    The coarser clusters are the classes. (The paper's appendix names them the other way round; its text and
    its numbers mean this.)

    Args:
        finer: (n, P) labels, M1, at the higher keep rate r1.
        coarser: (n, P) labels, M2, at r2 < r1.

    Returns:
        (n,) values in [0, 1].

    >>> import numpy as np
    >>> homogeneity(np.array([[0, 1, 2, 3]]), np.array([[0, 0, 1, 1]]))
    array([1.])
    """
    found = entropies(finer, coarser)
    return share(found.mutual_information, found.b)
