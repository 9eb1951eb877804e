"""Common to soft merging methods: weighted sums, and hard assignments for the pattern."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tokred.methods.base import Context, Reduction, hard_assignment, no_representative


def merge(x: Tensor, weights: Tensor, context: Context) -> Reduction:
    """Slots as weighted sums of tokens.

    Args:
        x: (B, N, D) tokens.
        weights: (B, N, K) weight of token n in slot k. In the pattern, a token is assigned to the slot in
            which it has its largest weight (paper section 5.1).
    """
    # Many softmax weights are subnormal: they do not change the sums, and slow down a CPU.
    summed = F.threshold(weights, torch.finfo(weights.dtype).tiny, 0.0).to(x.dtype)
    tokens = summed.transpose(1, 2) @ x
    assign, margin = hard_assignment(weights.detach()) if context.trace else (None, None)
    return Reduction(
        tokens=tokens, anchor=no_representative(x, weights.shape[2]), assign=assign, margin=margin
    )
