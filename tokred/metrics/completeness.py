"""Completeness of clusters (Rosenberg & Hirschberg 2007; paper appendix E)."""

from __future__ import annotations

from numpy.typing import NDArray

from tokred.metrics.contingency import entropies, share


def completeness(finer: NDArray, coarser: NDArray) -> NDArray:
    """How well each coarser cluster stays within one finer cluster: 1 - H(M1 | M2) / H(M1), 1 if H(M1) = 0.

    Args:
        finer: (n, P) labels, M1, the clusters.
        coarser: (n, P) labels, M2, the classes.

    Returns:
        (n,) values in [0, 1].

    >>> import numpy as np
    >>> completeness(np.array([[0, 1, 2, 3]]), np.array([[0, 0, 1, 1]]))
    array([0.5])
    """
    found = entropies(finer, coarser)
    return share(found.mutual_information, found.a)
