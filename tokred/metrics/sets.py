"""Metrics of kept tokens: Intersection over Area and Intersection over Union (paper equations 1 and 2).

Sets of tokens are counted in packed bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokred.metrics.chunks import CHUNK, chunks


@dataclass(frozen=True)
class PackedSets:
    """Sets of tokens of n images, one bit per token.

    Attributes:
        words: (n, words) uint64, padded with zeros.
        tokens: P, number of tokens that a set is chosen from.
    """

    words: NDArray[Any]
    tokens: int

    @cached_property
    def sizes(self) -> NDArray[Any]:
        """(n,) number of tokens in each set."""
        return _count(self.words)


#: Sets of tokens as arguments of metrics: (n, P) booleans, or packed bits.
Sets = NDArray[Any] | PackedSets


def pack(kept: Sets) -> PackedSets:
    """(n, P) booleans as packed bits; packed sets are returned as they are.

    >>> pack(np.array([[True, False, True]])).sizes
    array([2])
    """
    return kept if isinstance(kept, PackedSets) else pack_survivors(kept, 1)


def pack_survivors(survived: NDArray[Any], stage: int) -> PackedSets:
    """The tokens that survive a stage, counted from 1.

    Args:
        survived: (n, P) number of stages that each token survives.
    """
    images, tokens = survived.shape
    width = -(-tokens // 64)
    words = np.empty((images, width), dtype=np.uint64)
    padded = np.zeros((min(images, CHUNK), width * 64), dtype=bool)
    for part in chunks(images):
        count = part.stop - part.start
        np.greater_equal(survived[part], stage, out=padded[:count, :tokens])
        # Packing one flat array of bits is three times as fast as packing row by row.
        bits = np.packbits(padded[:count].ravel())
        words[part] = bits.view(np.uint64).reshape(count, width)
    return PackedSets(words, tokens)


def degenerate(a: PackedSets, b: PackedSets) -> NDArray[Any]:
    """(n,) whether either set has all tokens or none, so that permuting its tokens does not change it."""
    flags = np.zeros(len(a.words), dtype=bool)
    for sets in (a, b):
        flags |= (sets.sizes == 0) | (sets.sizes == sets.tokens)
    return flags


def intersection_over_area(larger: Sets, smaller: Sets) -> NDArray[Any]:
    """Fraction of the smaller set that the larger one contains: |M1 n M2| / |M2|; 0 for an empty M2.

    Args:
        larger: (n, P) booleans or packed sets, M1, kept at the higher keep rate r1.
        smaller: (n, P) booleans or packed sets, M2, kept at r2 < r1.

    Returns:
        (n,) values in [0, 1].

    Raises:
        ValueError: different shapes.

    >>> intersection_over_area(np.array([[1, 1, 0, 1]], bool), np.array([[1, 0, 1, 0]], bool))
    array([0.5])
    """
    first, second = _pack_both(larger, smaller)
    return _ratio(_common(first, second), second.sizes)


def expected_ioa(larger: Sets, smaller: Sets) -> NDArray[Any]:
    """IoA expected of unrelated sets of the same sizes: K1 / P, 0 for an empty M2.

    Two random sets share K1 K2 / P tokens on average.

    Args and errors as of `intersection_over_area`.

    >>> expected_ioa(np.array([[1, 1, 0, 1]], bool), np.array([[1, 0, 1, 0]], bool))
    array([0.75])
    """
    first, second = _pack_both(larger, smaller)
    return np.where(second.sizes > 0, first.sizes / first.tokens, 0.0)


def intersection_over_union(kept_a: Sets, kept_b: Sets) -> NDArray[Any]:
    """|M1 n M2| / |M1 u M2|; 0 where both are empty.

    Args:
        kept_a, kept_b: (n, P) booleans or packed sets.

    Returns:
        (n,) values in [0, 1].

    Raises:
        ValueError: different shapes.

    >>> intersection_over_union(np.array([[1, 1, 0, 0]], bool), np.array([[1, 0, 1, 0]], bool))
    array([0.33333333])
    """
    first, second = _pack_both(kept_a, kept_b)
    shared = _common(first, second)
    return _ratio(shared, first.sizes + second.sizes - shared)


def expected_iou(kept_a: Sets, kept_b: Sets) -> NDArray[Any]:
    """IoU expected of unrelated sets of the same sizes; 0 where both are empty.

    This is the mean of the ratio, not the ratio of the means K1 K2 / P and K1 + K2 - K1 K2 / P, which is
    smaller: the number of common tokens x has a hypergeometric distribution, so the mean of x / (K1 + K2 - x)
    is a sum over all x. It is computed once for each pair of sizes that occurs.

    Args and errors as of `intersection_over_union`.

    >>> expected_iou(np.array([[1, 1, 0, 0]], bool), np.array([[1, 0, 1, 0]], bool)).round(4)
    array([0.3889])
    """
    first, second = _pack_both(kept_a, kept_b)
    tokens = first.tokens
    codes = np.minimum(first.sizes, second.sizes) * (tokens + 1) + np.maximum(first.sizes, second.sizes)
    expected = np.zeros((tokens + 1) ** 2)
    for code in np.flatnonzero(np.bincount(codes)).tolist():
        expected[code] = _expected_ratio(*divmod(code, tokens + 1), tokens)
    return expected[codes]


def _pack_both(kept_a: Sets, kept_b: Sets) -> tuple[PackedSets, PackedSets]:
    """Both sets of every image as packed bits.

    Raises ValueError for different shapes, which the padding to whole words would hide.
    """
    a, b = pack(kept_a), pack(kept_b)
    shape_a, shape_b = (len(a.words), a.tokens), (len(b.words), b.tokens)
    if shape_a != shape_b:
        raise ValueError(f"kept tokens of shapes {shape_a} and {shape_b}: expected the same")
    return a, b


def _common(a: PackedSets, b: PackedSets) -> NDArray[Any]:
    """(n,) number of tokens in both sets."""
    return _count(a.words & b.words)


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[Any]:
    """part / whole; 0 where the whole is empty, as the part is then empty too."""
    return part / np.maximum(whole, 1)


def _count(words: NDArray[Any]) -> NDArray[Any]:
    """(n,) number of set bits; summed by column, as `sum(axis=1)` of short rows takes three times as long."""
    first, *others = np.bitwise_count(words).T
    total = first.astype(np.int64)
    for column in others:
        total += column
    return total


@cache
def _expected_ratio(smaller: int, larger: int, tokens: int) -> float:
    """Mean of x / (K1 + K2 - x) over the common tokens x of two random sets."""
    if larger == 0:
        return 0.0
    shared = np.arange(max(0, smaller + larger - tokens), smaller + 1)
    log_chance = (
        _log_choose(larger, shared)
        + _log_choose(tokens - larger, smaller - shared)
        - _log_choose(tokens, np.array(smaller))
    )
    return float(np.exp(log_chance) @ (shared / (smaller + larger - shared)))


def _log_choose(total: int, chosen: NDArray[Any]) -> NDArray[Any]:
    """Logarithm of the number of ways to choose from a total; importing scipy.special would take 0.2 s."""
    factorials = _log_factorials(total)
    return factorials[total] - factorials[chosen] - factorials[total - chosen]


@cache
def _log_factorials(up_to: int) -> NDArray[Any]:
    """log 0!, log 1!, ..."""
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, up_to + 1)))])
