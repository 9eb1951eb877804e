"""All metrics of clusterings from one count of their common tokens."""

from __future__ import annotations

from numpy.typing import NDArray

from tokred.metrics.contingency import entropies, share


def clustering_scores(finer: NDArray, coarser: NDArray) -> dict[str, NDArray]:
    """`homogeneity`, `completeness` and `nmi` by name, in the time of one of them.

    Args:
        finer: (n, P) labels, M1, the clusters.
        coarser: (n, P) labels, M2, the classes.

    Returns:
        (n,) values in [0, 1] for each metric's name in the registry.

    >>> import numpy as np
    >>> found = clustering_scores(np.array([[0, 1, 2, 3]]), np.array([[0, 0, 1, 1]]))
    >>> {name: round(float(values[0]), 4) for name, values in found.items()}
    {'homogeneity': 1.0, 'completeness': 0.5, 'nmi': 0.6667}
    """
    found = entropies(finer, coarser)
    wholes = {"homogeneity": found.b, "completeness": found.a, "nmi": (found.a + found.b) / 2}
    return {name: share(found.mutual_information, whole) for name, whole in wholes.items()}
