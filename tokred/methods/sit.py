"""SiT: a small network predicts a soft assignment of tokens (Zong et al. 2022; paper section 3.1.5)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tokred.methods.base import Context, Reducer, Reduction, Stage
from tokred.methods.soft import merge
from tokred.methods.tokens import at_least_float32
from tokred.validation import Strict


class SiT(Reducer):
    """Slot k is the sum of the tokens, weighted by the softmax over tokens of `scale * MLP(x)[:, k]`."""

    parameters_per_slot = True

    def __init__(self, stage: Stage, options: Strict) -> None:
        super().__init__(stage, options)
        width = stage.embed_dim
        self.scale = nn.Parameter(torch.ones(1, 1, 1))
        self.mlp = nn.Sequential(
            nn.LayerNorm(width, eps=1e-5),
            nn.Linear(width, width // 2),
            nn.GELU(),
            nn.Linear(width // 2, stage.budget),
        )

    def forward(self, x: Tensor, context: Context) -> Reduction:
        weights = at_least_float32(self.scale * self.mlp(x)).softmax(dim=1)
        return merge(x, weights, context)
