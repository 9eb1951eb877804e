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
    levels = [survived == level for level in range(len(blocks))]
    per_token = np.stack([level.sum(axis=0) for level in levels])
    per_image = np.stack([level.sum(axis=1) for level in levels])
    # Whole numbers until the last division: tokens of equal depth stay equal, for rank correlations.
    images, tokens = survived.shape
    return blocks @ per_token / images, blocks @ per_image / tokens


def actual_keep_rate(survived: NDArray, stage: int) -> NDArray:
    """(n,) part of the P input tokens that is left after a stage, counted from 1 (paper appendix D).

    Args:
        survived: (n, P) number of stages that each token outlived.

    >>> actual_keep_rate(np.array([[0, 1, 2, 3], [1, 1, 0, 0]]), 1)
    array([0.75, 0.5 ])
    """
    return (survived >= stage).mean(axis=1)
