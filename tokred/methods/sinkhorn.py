"""Sinkhorn: optimal transport between tokens and learned queries (paper section 3.1.5)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tokred.methods.base import Context, Reducer, Reduction, Stage
from tokred.methods.options import SinkhornOptions
from tokred.methods.soft import merge
from tokred.methods.tokens import at_least_float32
from tokred.validation import Strict


class Sinkhorn(Reducer):
    """Slots are sums of the L2-normalized tokens, with weights from Sinkhorn-Knopp on cosine similarities."""

    options: SinkhornOptions

    parameters_per_slot = True

    def __init__(self, stage: Stage, options: Strict) -> None:
        super().__init__(stage, options)
        self.queries = nn.Parameter(torch.randn(stage.budget, stage.embed_dim))

    def forward(self, x: Tensor, context: Context) -> Reduction:
        x = F.normalize(at_least_float32(x), dim=2).to(x.dtype)
        weights = transport(x @ self._unit_queries().t(), self.options.iterations, self.options.eps)
        return merge(x, weights, context)

    def _unit_queries(self) -> Tensor:
        """(K, D) queries of unit length.

        In training the parameter is projected onto the unit sphere in place, outside the graph; it gets the
        gradient of the unit queries. The graph holds these and not the parameter, so that a later forward
        pass may project the parameter again before the backward pass of this one.
        """
        unit = F.normalize(self.queries.detach(), dim=1)
        if not self.training:
            return unit
        straight_through = self.queries - self.queries.detach()  # 0, with a gradient of 1
        with torch.no_grad():
            self.queries.copy_(unit)
        return unit + straight_through


def transport(scores: Tensor, iterations: int, eps: float) -> Tensor:
    """(B, N, K) transport plan times (N + K), from (B, N, K) scores.

    Log-domain Sinkhorn with both marginals constant, 1 / (N + K). The last step normalizes over queries, so
    that each token's weights sum to 1.
    """
    scores = at_least_float32(scores) / eps
    marginal = -math.log(scores.shape[1] + scores.shape[2])
    token = scores.new_zeros(scores.shape[0], scores.shape[1], 1)
    for _ in range(iterations):
        query = marginal - (scores + token).logsumexp(dim=1, keepdim=True)
        token = marginal - (scores + query).logsumexp(dim=2, keepdim=True)
    return (scores + query + token - marginal).exp()
