"""Depth of tokens: the blocks that they pass through (paper section 5.3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def block_counts(locations: Sequence[int], depth: int) -> NDArray:
    """(S + 1,) blocks that a token passes through if it outlives 0, 1, ..., S stages.

    The block of the stage that removed it; all `depth` blocks if none did.

    >>> block_counts((3, 6, 9), 12)
    array([ 3,  6,  9, 12])
    """
    return np.array([*locations, depth])


def depth_statistics(survived: NDArray, blocks: NDArray) -> tuple[NDArray, NDArray]:
    """Depths in one pass over patterns.

    Args:
        survived: (n, P) number of stages that each token outlived.
        blocks: what `block_counts` returns.

    Returns:
        (P,) dataset-averaged map, and (n,) mean depth of every image.
    """
    shares = np.stack([survived == level for level in range(len(blocks))])
    return np.tensordot(blocks, shares.mean(axis=1), 1), np.tensordot(blocks, shares.mean(axis=2), 1)
