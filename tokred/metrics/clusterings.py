"""Metrics of clusterings: homogeneity, completeness and normalized mutual information.

Rosenberg & Hirschberg 2007; paper equations 3-7 and appendix E. All of them, and their chance levels, follow
from the same three entropies, which are computed once for a whole batch of images.

With counts n of a clustering's clusters, `P * H = P log P - sum n log n`: entropies are sums of a small table
of n log n, indexed by counts. (scikit-learn computes one image at a time, and takes 150 times as long.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokred.metrics.chunks import chunks

#: Entropies below this are 0 up to rounding: a second cluster of a single token already has more.
_NO_ENTROPY = 1e-9
#: Upper bound of labels, so that the product of two of them fits into int64.
_LARGEST = 2**31


@dataclass(frozen=True)
class Entropies:
    """Entropies of two clusterings A and B of the same tokens of n images, in nats.

    Attributes:
        a: (n,) H(A). Where order matters, A is the finer clustering, the clusters, at the higher keep rate.
        b: (n,) H(B). Where order matters, B is the coarser clustering, the classes.
        joint: (n,) H(A, B).
        tokens: P, number of tokens of an image.
    """

    a: NDArray[Any]
    b: NDArray[Any]
    joint: NDArray[Any]
    tokens: int

    @property
    def mutual_information(self) -> NDArray[Any]:
        """(n,) I(A; B), never negative."""
        return np.maximum(self.a + self.b - self.joint, 0.0)

    @property
    def degenerate(self) -> NDArray[Any]:
        """(n,) whether either clustering has a single cluster, or a cluster for every token.

        Such a clustering is the same for every permutation of its tokens, so that metrics are meaningless.
        """
        lower, higher = np.minimum(self.a, self.b), np.maximum(self.a, self.b)
        return (lower < _NO_ENTROPY) | (higher > np.log(self.tokens) - _NO_ENTROPY)

    def by_chance(self, permuted_a: NDArray[Any], labels_b: NDArray[Any]) -> Entropies:
        """The entropies after a random permutation of A's tokens within each image.

        A permutation changes no cluster's size: only the joint entropy is computed again.

        Args:
            permuted_a: (n, P) labels of A, with the tokens of every image permuted at random.
            labels_b: (n, P) labels of B.
        """
        (joint,) = _by_chunk(_joint_entropy, 1, permuted_a, labels_b)
        return replace(self, joint=joint)


def entropies(labels_a: NDArray[Any], labels_b: NDArray[Any]) -> Entropies:
    """Entropies of (n, P) cluster labels, which are non-negative integers.

    Raises:
        ValueError: different shapes, a negative label (a dropped token is in no cluster), or a label from
            2^31 on.
    """
    a, b, joint = _by_chunk(_entropies, 3, labels_a, labels_b)
    return Entropies(a, b, joint, tokens=labels_a.shape[1])


def homogeneity(pair: Entropies) -> NDArray[Any]:
    """How well each finer cluster stays within one coarser cluster: 1 - H(B | A) / H(B), 1 if H(B) = 0.

    The coarser clusters are the classes. (The paper's appendix names them the other way round; its text and
    its numbers agree with this definition.)

    Returns:
        (n,) values in [0, 1].

    >>> homogeneity(entropies(np.array([[0, 1, 2, 3]]), np.array([[0, 0, 1, 1]])))
    array([1.])
    """
    return _normalized(pair.mutual_information, pair.b)


def completeness(pair: Entropies) -> NDArray[Any]:
    """How well each coarser cluster stays within one finer cluster: 1 - H(A | B) / H(A), 1 if H(A) = 0.

    Returns:
        (n,) values in [0, 1].

    >>> completeness(entropies(np.array([[0, 1, 2, 3]]), np.array([[0, 0, 1, 1]])))
    array([0.5])
    """
    return _normalized(pair.mutual_information, pair.a)


def normalized_mutual_information(pair: Entropies) -> NDArray[Any]:
    """I(A; B) over the arithmetic mean of H(A) and H(B), which is the V-measure; 1 if both are 0.

    Returns:
        (n,) values in [0, 1].

    >>> normalized_mutual_information(entropies(np.array([[0, 0, 1, 1]]), np.array([[5, 5, 2, 2]])))
    array([1.])
    """
    return _normalized(pair.mutual_information, (pair.a + pair.b) / 2)


def _normalized(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[Any]:
    """part / whole, clipped to [0, 1]; 1 where the whole is 0."""
    is_zero = whole < _NO_ENTROPY
    return np.clip(np.where(is_zero, 1.0, part / np.where(is_zero, 1.0, whole)), 0.0, 1.0)


def _by_chunk(
    function: Callable[[NDArray[Any], NDArray[Any], NDArray[Any]], NDArray[Any]],
    rows: int,
    labels_a: NDArray[Any],
    labels_b: NDArray[Any],
) -> NDArray[Any]:
    """(rows, n) values of a function of a chunk's labels and of the table of n log n for all counts n."""
    if labels_a.shape != labels_b.shape:
        raise ValueError(f"clusterings of different shapes: {labels_a.shape} and {labels_b.shape}")
    if labels_a.size and min(labels_a.min(), labels_b.min()) < 0:
        raise ValueError("clusterings must not have dropped tokens (label -1)")
    if labels_a.size and (largest := max(labels_a.max(), labels_b.max())) >= _LARGEST:
        raise ValueError(f"clusterings have a label {largest}: expected labels below {_LARGEST}")
    counts = np.arange(labels_a.shape[1] + 1, dtype=np.float64)
    table = counts * np.log(np.maximum(counts, 1))
    parts = [function(labels_a[part], labels_b[part], table) for part in chunks(len(labels_a))]
    return np.concatenate(parts, axis=1) if parts else np.zeros((rows, 0))


def _entropies(labels_a: NDArray[Any], labels_b: NDArray[Any], table: NDArray[Any]) -> NDArray[Any]:
    """(3, n) entropies of a, b, and both."""
    a, b = labels_a.astype(np.int64), labels_b.astype(np.int64)
    sums = np.stack([_sum_n_log_n(labels, table) for labels in (a, b, _pairs(a, b))])
    return _entropy(sums, labels_a.shape[1])


def _joint_entropy(labels_a: NDArray[Any], labels_b: NDArray[Any], table: NDArray[Any]) -> NDArray[Any]:
    """(1, n) entropy of both."""
    pairs = _pairs(labels_a.astype(np.int64), labels_b.astype(np.int64))
    return _entropy(_sum_n_log_n(pairs, table)[None], labels_a.shape[1])


def _pairs(labels_a: NDArray[Any], labels_b: NDArray[Any]) -> NDArray[Any]:
    """One label for each pair of labels."""
    return labels_a * (int(labels_b.max()) + 1) + labels_b


def _entropy(sums: NDArray[Any], tokens: int) -> NDArray[Any]:
    return np.log(tokens) - sums / tokens


def _sum_n_log_n(labels: NDArray[Any], table: NDArray[Any]) -> NDArray[Any]:
    """(n,) sum of n log n over the clusters of each row of labels."""
    images, tokens = labels.shape
    size = int(labels.max()) + 1
    if size <= 4 * tokens:
        keys = labels + size * np.arange(images)[:, None]
        counts = np.bincount(keys.ravel(), minlength=size * images).reshape(images, size)
        return table[counts].sum(axis=1)
    # Pairs of labels are sparse: count runs of sorted labels instead of all possible pairs.
    ordered = np.sort(labels.astype(np.min_scalar_type(size)), axis=1)  # narrow integers sort faster
    first = np.ones((images, tokens), dtype=bool)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    starts = np.flatnonzero(first)
    lengths = np.diff(starts, append=images * tokens)
    return np.add.reduceat(table[lengths], np.searchsorted(starts, np.arange(images) * tokens))
