"""Sizes of sets of tokens, counted in packed bits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

#: Images packed at a time: what is packed then stays in the processor's cache, and takes half as long.
_CHUNK = 1024


@dataclass(frozen=True)
class PackedSets:
    """Sets of tokens of n images, a bit a token.

    Attributes:
        words: (n, words) uint64, padded with zeros.
        tokens: P, number of tokens that a set is chosen from.
    """

    words: NDArray
    tokens: int

    @cached_property
    def sizes(self) -> NDArray:
        """(n,) number of tokens in each set."""
        return _count(self.words)


#: Sets of tokens as metrics take them: (n, P) booleans, or packed already.
Sets = NDArray | PackedSets


def pack(kept: Sets) -> PackedSets:
    """(n, P) booleans as packed bits; packed sets are returned as they are.

    >>> pack(np.array([[True, False, True]])).sizes
    array([2])
    """
    return kept if isinstance(kept, PackedSets) else pack_survivors(kept, 1)


def pack_survivors(survived: NDArray, stage: int) -> PackedSets:
    """The tokens that outlive a stage, counted from 1, of (n, P) numbers of stages that tokens outlive."""
    images, tokens = survived.shape
    width = -(-tokens // 64)
    words = np.empty((images, width), dtype=np.uint64)
    padded = np.zeros((min(images, _CHUNK), width * 64), dtype=bool)
    for start in range(0, images, _CHUNK):
        part = survived[start : start + _CHUNK]
        np.greater_equal(part, stage, out=padded[: len(part), :tokens])
        # One flat run of bits is packed three times as fast as row by row.
        bits = np.packbits(padded[: len(part)].ravel())
        words[start : start + _CHUNK] = bits.view(np.uint64).reshape(len(part), width)
    return PackedSets(words, tokens)


def pack_both(kept_a: Sets, kept_b: Sets) -> tuple[PackedSets, PackedSets]:
    """Two sets an image as packed bits.

    Raises ValueError for different shapes: the padding to whole words would hide a different P.
    """
    a, b = pack(kept_a), pack(kept_b)
    shape_a, shape_b = (len(a.words), a.tokens), (len(b.words), b.tokens)
    if shape_a != shape_b:
        raise ValueError(f"kept tokens of shapes {shape_a} and {shape_b}: expected the same")
    return a, b


def common(a: PackedSets, b: PackedSets) -> NDArray:
    """(n,) number of tokens in both sets."""
    return _count(a.words & b.words)


def _count(words: NDArray) -> NDArray:
    """(n,) number of set bits; column by column, as `sum(axis=1)` of short rows takes three times as long."""
    first, *others = np.bitwise_count(words).T
    total = first.astype(np.int64)
    for column in others:
        total += column
    return total


def ratio(part: NDArray, whole: NDArray) -> NDArray:
    """part / whole, 0 where the whole is empty, as then the part is."""
    return part / np.maximum(whole, 1)


def degenerate(a: PackedSets, b: PackedSets) -> NDArray:
    """(n,) whether either set has all tokens or none: it is then the same however its tokens are permuted."""
    found = np.zeros(len(a.words), dtype=bool)
    for sets in (a, b):
        found |= (sets.sizes == 0) | (sets.sizes == sets.tokens)
    return found
