"""PatchMerger: learned queries attend to tokens (Renggli et al. 2022; paper section 3.1.5)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tokred.methods.base import Context, Reducer, Reduction, Stage
from tokred.methods.soft import merge
from tokred.methods.tokens import at_least_float32
from tokred.validation import Strict


class PatchMerger(Reducer):
    """Slots are sums of normalized tokens, weighted by the softmax over tokens of `norm(x) @ queries^T`."""

    parameters_per_slot = True

    def __init__(self, stage: Stage, options: Strict) -> None:
        super().__init__(stage, options)
        self.queries = nn.Parameter(torch.randn(stage.budget, stage.embed_dim))
        self.norm = nn.LayerNorm(stage.embed_dim, eps=1e-5)

    def forward(self, x: Tensor, context: Context) -> Reduction:
        x = self.norm(x)
        return merge(x, at_least_float32(x @ self.queries.t()).softmax(dim=1), context)
