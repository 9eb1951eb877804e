"""Sizes of sets of tokens, counted in packed bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pack(kept: NDArray) -> NDArray:
    """(n, words) uint64 with a bit a token, from (n, P) booleans."""
    bits = np.packbits(kept, axis=1)
    padded = np.zeros((len(bits), -(-bits.shape[1] // 8) * 8), dtype=np.uint8)
    padded[:, : bits.shape[1]] = bits
    return padded.view(np.uint64)


def count(packed: NDArray) -> NDArray:
    """(n,) number of tokens in packed sets."""
    return np.bitwise_count(packed).sum(axis=1, dtype=np.int64)


def ratio(part: NDArray, whole: NDArray) -> NDArray:
    """part / whole, 0 where the whole is empty."""
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
