"""Entropies of two clusterings of the same tokens, for a whole batch of images at once.

With counts n of a clustering's clusters, `P * H = P log P - sum n log n`: entropies are sums of a small table
of n log n, indexed by counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Images counted at a time: larger arrays leave the processor's cache, and take three times as long.
_CHUNK = 128
#: Entropies below this are 0, but for rounding: a second cluster of one token has more.
NO_ENTROPY = 1e-9
#: Labels below this: products of two of them fit into int64.
_LARGEST = 2**31


@dataclass(frozen=True)
class Entropies:
    """(n,) entropies in nats: of either clustering, and of both together."""

    a: NDArray
    b: NDArray
    joint: NDArray

    @property
    def mutual_information(self) -> NDArray:
        """(n,) I(A; B), never negative."""
        return np.maximum(self.a + self.b - self.joint, 0.0)

    def degenerate(self, tokens: int) -> NDArray:
        """(n,) whether either clustering of P tokens has a single cluster, or a cluster for every token.

        Such a clustering is the same however its tokens are permuted, so that metrics say nothing of it.
        """
        lower, higher = np.minimum(self.a, self.b), np.maximum(self.a, self.b)
        return (lower < NO_ENTROPY) | (higher > np.log(tokens) - NO_ENTROPY)


def entropies(labels_a: NDArray, labels_b: NDArray) -> Entropies:
    """Entropies of (n, P) cluster labels, which are non-negative integers.

    Raises ValueError for different shapes, a negative label (a dropped token is in no cluster), or labels
    from 2^31 on.
    """
    return Entropies(*_by_chunk(_entropies, 3, labels_a, labels_b))


def joint_entropy(labels_a: NDArray, labels_b: NDArray) -> NDArray:
    """(n,) entropy of both clusterings together; labels and errors as of `entropies`."""
    (joint,) = _by_chunk(_joint_entropy, 1, labels_a, labels_b)
    return joint


def _by_chunk(
    function: Callable[[NDArray, NDArray, NDArray], NDArray], rows: int, labels_a: NDArray, labels_b: NDArray
) -> NDArray:
    """(rows, n) values of a function of the labels of some images and of n log n for all counts n."""
    if labels_a.shape != labels_b.shape:
        raise ValueError(f"clusterings of different shapes: {labels_a.shape} and {labels_b.shape}")
    if labels_a.size and min(labels_a.min(), labels_b.min()) < 0:
        raise ValueError("clusterings must not have dropped tokens (label -1)")
    if labels_a.size and (largest := max(labels_a.max(), labels_b.max())) >= _LARGEST:
        raise ValueError(f"clusterings have a label {largest}: expected labels below {_LARGEST}")
    counts = np.arange(labels_a.shape[1] + 1, dtype=np.float64)
    table = counts * np.log(np.maximum(counts, 1))
    parts = [
        function(labels_a[start : start + _CHUNK], labels_b[start : start + _CHUNK], table)
        for start in range(0, len(labels_a), _CHUNK)
    ]
    return np.concatenate(parts, axis=1) if parts else np.zeros((rows, 0))


def _entropies(labels_a: NDArray, labels_b: NDArray, table: NDArray) -> NDArray:
    """(3, n) entropies of a, b, and both."""
    a, b = labels_a.astype(np.int64), labels_b.astype(np.int64)
    spent = np.stack([_spent(labels, table) for labels in (a, b, _pairs(a, b))])
    return _entropy(spent, labels_a.shape[1])


def _joint_entropy(labels_a: NDArray, labels_b: NDArray, table: NDArray) -> NDArray:
    """(1, n) entropy of both."""
    pairs = _pairs(labels_a.astype(np.int64), labels_b.astype(np.int64))
    return _entropy(_spent(pairs, table)[None], labels_a.shape[1])


def _pairs(labels_a: NDArray, labels_b: NDArray) -> NDArray:
    """One label for each pair of labels."""
    return labels_a * (int(labels_b.max()) + 1) + labels_b


def _entropy(spent: NDArray, tokens: int) -> NDArray:
    return np.log(tokens) - spent / tokens


def _spent(labels: NDArray, table: NDArray) -> NDArray:
    """(n,) sum of n log n over the clusters of each row of labels."""
    images, tokens = labels.shape
    size = int(labels.max()) + 1
    if size <= 4 * tokens:
        keys = labels + size * np.arange(images)[:, None]
        found = np.bincount(keys.ravel(), minlength=size * images).reshape(images, size)
        return table[found].sum(axis=1)
    # Pairs of labels are sparse: count runs of sorted labels instead of all possible pairs.
    ordered = np.sort(labels.astype(np.min_scalar_type(size)), axis=1)  # narrow integers sort faster
    first = np.ones((images, tokens), dtype=bool)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    starts = np.flatnonzero(first)
    lengths = np.diff(starts, append=images * tokens)
    return np.add.reduceat(table[lengths], np.searchsorted(starts, np.arange(images) * tokens))


def share(part: NDArray, whole: NDArray) -> NDArray:
    """part / whole within [0, 1], and 1 where the whole has no entropy."""
    nothing = whole < NO_ENTROPY
    return np.clip(np.where(nothing, 1.0, part / np.where(nothing, 1.0, whole)), 0.0, 1.0)
