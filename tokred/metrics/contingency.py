"""Entropies of two clusterings of the same tokens, for a whole batch of images at once.

With counts n of a clustering's clusters, `P * H = P log P - sum n log n`: entropies are sums of a small table
of n log n, indexed by counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Images counted at a time, to bound memory.
_CHUNK = 1024


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


def entropies(labels_a: NDArray, labels_b: NDArray) -> Entropies:
    """Entropies of (n, P) cluster labels, which are non-negative integers.

    Raises ValueError for a negative label (a dropped token is in no cluster).
    """
    if labels_a.shape != labels_b.shape:
        raise ValueError(f"clusterings of different shapes: {labels_a.shape} and {labels_b.shape}")
    if labels_a.size and min(labels_a.min(), labels_b.min()) < 0:
        raise ValueError("clusterings must not have dropped tokens (label -1)")
    parts = [
        _entropies(labels_a[start : start + _CHUNK], labels_b[start : start + _CHUNK])
        for start in range(0, len(labels_a), _CHUNK)
    ]
    stacked = np.concatenate(parts, axis=1) if parts else np.zeros((3, 0))
    return Entropies(*stacked)


def _entropies(labels_a: NDArray, labels_b: NDArray) -> NDArray:
    """(3, n) entropies of a, b, and both."""
    a, b = labels_a.astype(np.int64), labels_b.astype(np.int64)
    size_b = int(b.max()) + 1
    return np.stack([_entropy(a), _entropy(b), _entropy(a * size_b + b)])


def _entropy(labels: NDArray) -> NDArray:
    """(n,) entropy of each row's labels."""
    images, tokens = labels.shape
    counts = np.arange(tokens + 1, dtype=np.float64)
    table = counts * np.log(np.maximum(counts, 1))
    size = int(labels.max()) + 1
    if size <= 4 * tokens:
        keys = labels + size * np.arange(images)[:, None]
        found = np.bincount(keys.ravel(), minlength=size * images).reshape(images, size)
        spent = table[found].sum(axis=1)
    else:  # pairs of labels are sparse: count runs of sorted labels instead of all possible pairs
        ordered = np.sort(labels, axis=1)
        first = np.ones((images, tokens), dtype=bool)
        first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
        starts = np.flatnonzero(first)
        lengths = np.diff(np.append(starts, images * tokens))
        spent = np.bincount(starts // tokens, weights=table[lengths], minlength=images)
    return np.log(tokens) - spent / tokens


def share(part: NDArray, whole: NDArray) -> NDArray:
    """part / whole within [0, 1], and 1 where the whole has no entropy."""
    nothing = whole < 1e-12
    return np.clip(np.where(nothing, 1.0, part / np.where(nothing, 1.0, whole)), 0.0, 1.0)
