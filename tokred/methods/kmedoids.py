"""K-Medoids clustering of tokens (Marin et al. 2021; paper section 3.1.4)."""

from __future__ import annotations

import torch
from torch import Tensor

from tokred.methods.base import Context, Reducer, Reduction, rank_descending
from tokred.methods.distance import pairwise_distance
from tokred.methods.options import KMedoidsOptions
from tokred.methods.tokens import gather_tokens


class KMedoids(Reducer):
    """Keeps K_s medoids, unchanged.

    The weight of a token is the attention that it receives from all queries and heads in the previous block.
    Initial medoids are the K_s tokens of largest weight. Each of `iterations` assigns tokens to the nearest
    medoid, and replaces each medoid by the member of lowest cost (`update`, see `KMedoidsOptions`). A last
    assignment gives the clusters.
    """

    options: KMedoidsOptions

    @torch.no_grad()
    def forward(self, x: Tensor, context: Context) -> Reduction:
        weight = context.attention.attention_received()
        distance = pairwise_distance(x)
        medoids = rank_descending(weight)[:, : self.stage.budget]
        total = weight * distance.sum(dim=2)
        for _ in range(self.options.iterations):
            assign = _nearest(distance, medoids)
            cost = total if self.options.update == "reference" else _cost_within(distance, assign)
            medoids = _cheapest_members(assign, cost, medoids)
        return Reduction(anchor=medoids, assign=_nearest(distance, medoids))


def _nearest(distance: Tensor, medoids: Tensor) -> Tensor:
    """(B, N) slot of the nearest medoid, the lowest index on a tie."""
    return gather_tokens(distance, medoids).argmin(dim=1)


def _cost_within(distance: Tensor, assign: Tensor) -> Tensor:
    """(B, N) sum of a token's distances to the members of its cluster."""
    same = assign.unsqueeze(1) == assign.unsqueeze(2)
    return (distance * same).sum(dim=2)


def _cheapest_members(assign: Tensor, cost: Tensor, medoids: Tensor) -> Tensor:
    """(B, K) member of lowest cost of each cluster, the first on a tie; empty clusters keep their medoids."""
    slots = torch.arange(medoids.shape[1], device=assign.device)
    member = assign.unsqueeze(1) == slots[None, :, None]
    best = cost.unsqueeze(1).masked_fill(~member, torch.inf).min(dim=2)
    return torch.where(best.values.isinf(), medoids, best.indices)
