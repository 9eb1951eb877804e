"""Depth of tokens: the blocks that they pass through (paper section 5.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tokred.metrics.chunks import chunks


def block_counts(locations: Sequence[int], depth: int) -> NDArray[Any]:
    """(S + 1,) blocks that a token passes through if it outlives 0, 1, ..., S stages.

    The block of the stage that removed it; all `depth` blocks if none did.

    >>> block_counts((3, 6, 9), 12)
    array([ 3,  6,  9, 12])
    """
    return np.array([*locations, depth])


@dataclass(frozen=True)
class LevelCounts:
    """How many tokens outlive 0, 1, ..., S stages: all that depths and actual keep rates need.

    Attributes:
        per_token: (S + 1, P), over images.
        per_image: (S + 1, n), over tokens.
    """

    per_token: NDArray[Any]
    per_image: NDArray[Any]

    def depth_map(self, blocks: NDArray[Any]) -> NDArray[Any]:
        """(P,) dataset-averaged depth; `blocks` is what `block_counts` returns."""
        # Whole numbers until the last division: tokens of equal depth stay equal, for rank correlations.
        return blocks @ self.per_token / self.per_image.shape[1]

    def mean_depth(self, blocks: NDArray[Any]) -> NDArray[Any]:
        """(n,) mean depth of every image."""
        return blocks @ self.per_image / self.per_token.shape[1]

    def actual_keep_rate(self, stage: int) -> NDArray[Any]:
        """(n,) part of the P input tokens that is left after a stage, counted from 1 (paper appendix D)."""
        return self.per_image[stage:].sum(axis=0) / self.per_token.shape[1]


def count_levels(survived: NDArray[Any], levels: int) -> LevelCounts:
    """Counts in one pass over patterns.

    Args:
        survived: (n, P) number of stages that each token outlived, below `levels`.

    >>> count_levels(np.array([[0, 1, 2, 3], [1, 1, 0, 0]]), 4).actual_keep_rate(1)
    array([0.75, 0.5 ])
    """
    images, tokens = survived.shape
    per_token = np.zeros((levels, tokens), dtype=np.int64)
    per_image = np.zeros((levels, images), dtype=np.int64)
    for part in chunks(images):
        for level in range(levels):
            found = survived[part] == level
            # The images of a chunk, and the tokens of an image, fit into 16 bits.
            per_token[level] += found.sum(axis=0, dtype=np.uint16)
            per_image[level, part] = found.sum(axis=1, dtype=np.uint16)
    return LevelCounts(per_token, per_image)
