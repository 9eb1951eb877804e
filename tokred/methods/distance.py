"""Pairwise distances of tokens, precise enough to order near ties."""

from __future__ import annotations

import torch
from torch import Tensor

#: Squared distances below this fraction of the squared norms are rounding errors: the tokens are equal.
_EQUAL = 1e-13


def pairwise_distance(x: Tensor) -> Tensor:
    """(B, N, N) Euclidean distances of (B, N, D) tokens, in float32.

    Single-precision matrix products, torch's default from 25 rows on, are too imprecise to order near ties.
    On a CPU double-precision products are both more precise and eight times as fast as differences of tokens.
    Other
    devices compute differences: double precision is slow or missing there.
    """
    if x.device.type != "cpu":
        return torch.cdist(x.float(), x.float(), compute_mode="donot_use_mm_for_euclid_dist")
    x = x.double()
    norm = x.square().sum(dim=2)
    norms = norm.unsqueeze(1) + norm.unsqueeze(2)
    squared = torch.baddbmm(norms, x, x.transpose(1, 2), alpha=-2)
    return squared.masked_fill_(squared <= _EQUAL * norms, 0.0).sqrt_().float()
