"""Depth of tokens: the blocks that they pass through (paper section 5.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokred.metrics.chunks import chunks


def block_counts(locations: Sequence[int], depth: int) -> NDArray[Any]:
    """(S + 1,) number of blocks that a token passes through if it survives 0, 1, ..., S stages.

    This is the block of the stage that removed it, or `depth` if none did.

    >>> block_counts((3, 6, 9), 12)
    array([ 3,  6,  9, 12])
    """
    return np.array([*locations, depth])


@dataclass(frozen=True)
class LevelCounts:
    """How many tokens survive exactly 0, 1, ..., S stages; depths and actual keep rates follow from it.

    Attributes:
        per_token: (S + 1, P) counts over images.
        per_image: (S + 1, n) counts over tokens.
    """

    per_token: NDArray[Any]
    per_image: NDArray[Any]

    def depth_map(self, blocks: NDArray[Any]) -> NDArray[Any]:
        """(P,) dataset-averaged depth; `blocks` as returned by `block_counts`."""
        # Integers until the last division, so that equal depths stay equal, which rank correlations need.
        return blocks @ self.per_token / self.per_image.shape[1]

    def mean_depth(self, blocks: NDArray[Any]) -> NDArray[Any]:
        """(n,) mean depth of every image."""
        return blocks @ self.per_image / self.per_token.shape[1]

    def actual_keep_rate(self, stage: int) -> NDArray[Any]:
        """(n,) fraction of the P input tokens left after a stage, counted from 1 (paper appendix D)."""
        return self.per_image[stage:].sum(axis=0) / self.per_token.shape[1]


def count_levels(survived: NDArray[Any], levels: int) -> LevelCounts:
    """Count the tokens that survive each number of stages, in one pass over the patterns.

    Args:
        survived: (n, P) number of stages that each token survived, below `levels`.

    >>> count_levels(np.array([[0, 1, 2, 3], [1, 1, 0, 0]]), 4).actual_keep_rate(1)
    array([0.75, 0.5 ])
    """
    images, tokens = survived.shape
    per_token = np.zeros((levels, tokens), dtype=np.int64)
    per_image = np.zeros((levels, images), dtype=np.int64)
    for part in chunks(images):
        for level in range(levels):
            at_level = survived[part] == level
            # The images of a chunk, and the tokens of an image, fit into 16 bits.
            per_token[level] += at_level.sum(axis=0, dtype=np.uint16)
            per_image[level, part] = at_level.sum(axis=1, dtype=np.uint16)
    return LevelCounts(per_token, per_image)
