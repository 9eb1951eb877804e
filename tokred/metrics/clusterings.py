"""All metrics of clusterings, and their chance levels, from one count of their common tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace

from numpy.typing import NDArray

from tokred.metrics.contingency import Entropies, entropies, joint_entropy, share


@dataclass(frozen=True)
class ClusteringScores:
    """Metrics of two clusterings of n images.

    Attributes:
        values: (n,) values in [0, 1] for each metric's name in the registry.
        chance: the same with the tokens of the finer clustering permuted.
        degenerate: (n,) whether either clustering is the same however its tokens are permuted.
    """

    values: dict[str, NDArray]
    chance: dict[str, NDArray]
    degenerate: NDArray


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
    return _scores(entropies(finer, coarser))


def scores_with_chance(finer: NDArray, coarser: NDArray, permuted: NDArray) -> ClusteringScores:
    """The same metrics with their chance levels.

    A permutation changes no cluster's size: all that is counted anew is what the clusterings have in common.

    Args:
        permuted: (n, P) the finer clustering with the tokens of every image permuted at random.

    >>> import numpy as np
    >>> finer, coarser = np.array([[0, 0, 1, 1]]), np.array([[0, 0, 1, 1]])
    >>> found = scores_with_chance(finer, coarser, permuted=np.array([[0, 1, 0, 1]]))
    >>> float(found.values["nmi"][0]), float(found.chance["nmi"][0]), bool(found.degenerate[0])
    (1.0, 0.0, False)
    """
    found = entropies(finer, coarser)
    by_chance = replace(found, joint=joint_entropy(permuted, coarser))
    return ClusteringScores(_scores(found), _scores(by_chance), found.degenerate(finer.shape[1]))


def _scores(found: Entropies) -> dict[str, NDArray]:
    wholes = {"homogeneity": found.b, "completeness": found.a, "nmi": (found.a + found.b) / 2}
    return {name: share(found.mutual_information, whole) for name, whole in wholes.items()}
