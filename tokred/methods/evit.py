"""EViT: Top-K, and one token that fuses the pruned ones (Liang et al. 2022; paper section 3.1.2)."""

from __future__ import annotations

import torch
from torch import Tensor

from tokred.methods.base import Context, Reducer, Reduction
from tokred.methods.tokens import gather_tokens


class EViT(Reducer):
    """Keeps the K_s tokens with the highest CLS attention and appends a fused token.

    The fused token is the sum over the pruned tokens of (score x token). At the next stage it is treated like
    any other token. If no token is pruned, none is appended.
    """

    def forward(self, x: Tensor, context: Context) -> Reduction:
        scores = context.attention.cls_scores().mean(dim=1)
        kept = scores.detach().topk(min(self.stage.budget, x.shape[1]), dim=1).indices
        if kept.shape[1] == x.shape[1]:
            return Reduction(anchor=kept)
        # A masked sum over all tokens: the pruned ones need not be gathered.
        mask = torch.ones_like(scores).scatter(1, kept, 0.0)
        fused = ((scores * mask).to(x.dtype).unsqueeze(1)) @ x
        tokens = torch.cat([gather_tokens(x, kept), fused], dim=1)
        return Reduction(tokens=tokens, anchor=torch.cat([kept, torch.full_like(kept[:, :1], -1)], dim=1))
