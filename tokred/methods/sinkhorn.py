"""Sinkhorn: optimal transport between tokens and learned queries (paper section 3.1.5)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tokred.methods.base import Context, Reducer, Reduction, Stage
from tokred.methods.soft import merge
from tokred.precision import at_least_single


class Sinkhorn(Reducer):
    """Assignment by Sinkhorn-Knopp on cosine similarities; sums of the L2-normalised tokens."""

    def __init__(self, stage: Stage, options: object) -> None:
        super().__init__(stage, options)
        self.queries = nn.Parameter(torch.randn(stage.budget, stage.embed_dim))

    def forward(self, x: Tensor, context: Context) -> Reduction:
        x = F.normalize(x, dim=2)
        weights = transport(x @ self._unit_queries().t(), self.options.iterations, self.options.eps)
        return merge(x, weights, context)

    def _unit_queries(self) -> Tensor:
        """(K, D) queries of unit length.

        While training they are projected in place, which is no part of the function that is differentiated.
        """
        with torch.no_grad():
            unit = F.normalize(self.queries, dim=1)
            if not self.training:
                return unit
            self.queries.copy_(unit)
        return self.queries


def transport(scores: Tensor, iterations: int, eps: float) -> Tensor:
    """(B, N, K) transport plan times (N + K), from (B, N, K) scores.

    Log-domain Sinkhorn with both marginals constant 1 / (N + K); the last step normalises tokens, so each
    token's weights sum to 1.
    """
    scores = at_least_single(scores) / eps
    marginal = -math.log(scores.shape[1] + scores.shape[2])
    token = scores.new_zeros(scores.shape[0], scores.shape[1], 1)
    for _ in range(iterations):
        query = marginal - (scores + token).logsumexp(dim=1, keepdim=True)
        token = marginal - (scores + query).logsumexp(dim=2, keepdim=True)
    return (scores + query + token - marginal).exp()
