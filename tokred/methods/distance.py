"""Distances between tokens, exact enough to order near ties."""

from __future__ import annotations

import torch
from torch import Tensor


def pairwise_distance(x: Tensor) -> Tensor:
    """(B, N, N) Euclidean distances of (B, N, D) tokens, in float32.

    Formed from differences: the matrix-product shortcut, torch's default from 25 rows on, moves near ties.
    """
    x = x.float()
    return torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
