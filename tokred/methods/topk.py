"""Top-K: keep the tokens with the highest CLS attention (paper section 3.1.2)."""

from __future__ import annotations

import torch
from torch import Tensor

from tokred.methods.base import Context, Reducer, Reduction


class TopK(Reducer):
    """Keeps the K_s tokens with the highest attention from CLS, averaged over heads.

    Scores are computed before the attention's output, so that only the kept rows of the output are computed.
    """

    @torch.no_grad()
    def forward(self, x: Tensor, context: Context) -> Reduction:
        scores = context.attention.cls_scores().mean(dim=1)
        return Reduction(anchor=scores.topk(min(self.stage.budget, x.shape[1]), dim=1).indices)
