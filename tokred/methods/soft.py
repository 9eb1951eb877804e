"""What the soft merging methods share: weighted sums, and the hard pattern that stands for them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tokred.methods.base import Context, Reduction, hard_assignment, no_anchor


def merge(x: Tensor, weights: Tensor, context: Context) -> Reduction:
    """Slots as weighted sums of tokens.

    Args:
        x: (B, N, D) tokens.
        weights: (B, N, K) weight of token n in slot k. For the pattern, a token belongs to the slot in
            which it has its largest weight (paper section 5.1).
    """
    # A softmax makes many weights below the normal numbers: lost in every sum, and slow on a CPU.
    summed = F.threshold(weights, torch.finfo(weights.dtype).tiny, 0.0).to(x.dtype)
    tokens = summed.transpose(1, 2) @ x
    assign, margin = hard_assignment(weights.detach()) if context.trace else (None, None)
    return Reduction(tokens=tokens, anchor=no_anchor(x, weights.shape[2]), assign=assign, margin=margin)
