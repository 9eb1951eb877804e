"""DPC-KNN: density peak clustering of tokens (Zeng et al. 2022; paper section 3.1.4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tokred.methods.base import Context, Reducer, Reduction, Stage, rank_descending
from tokred.methods.distance import pairwise_distance
from tokred.methods.options import DPCKNNOptions
from tokred.methods.tokens import at_least_float32, gather_tokens, sum_by_slot, weighted_means
from tokred.validation import Strict


class DPCKNN(Reducer):
    """Clusters around K_s density peaks; a slot is the mean of its cluster's tokens.

    Weights of the mean are learned, or equal. Ties of densities are broken by token index, for
    reproducibility.
    """

    options: DPCKNNOptions

    def __init__(self, stage: Stage, options: Strict) -> None:
        super().__init__(stage, options)
        self.score = nn.Linear(stage.embed_dim, 1) if self.options.weights == "learned" else None

    def forward(self, x: Tensor, context: Context) -> Reduction:
        centers, assign = self._cluster(x)
        num_slots = centers.shape[1]
        if self.score is None:
            equal = at_least_float32(torch.ones_like(assign, dtype=x.dtype))
            tokens, _ = weighted_means(x, equal, assign, num_slots)
        else:
            tokens = self._learned_means(x, at_least_float32(self.score(x)), assign, num_slots)
        return Reduction(tokens=tokens, anchor=centers, assign=assign)

    @staticmethod
    def _learned_means(x: Tensor, score: Tensor, assign: Tensor, num_slots: int) -> Tensor:
        """(B, K, D) means of the tokens of each slot with weights exp(score); `score` is (B, N, 1)."""
        slots = assign.unsqueeze(-1)
        # exp(score) / (sum over the cluster of exp(score) + 1e-6). Numerator and denominator are divided by
        # exp(largest score of the cluster), since exp(score) could overflow.
        cluster_max = score.new_zeros(x.shape[0], num_slots, 1).scatter_reduce(
            1, slots, score.detach(), "amax"
        )
        weight = (score - cluster_max.gather(1, slots)).exp()
        total = sum_by_slot(weight, assign, num_slots) + 1e-6 * (-cluster_max).exp()
        normalized = weight / total.gather(1, slots)
        return sum_by_slot((x * normalized).to(x.dtype), assign, num_slots)

    @torch.no_grad()
    def _cluster(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, K) cluster centers by descending score, and the (B, N) slot of every token."""
        distance = pairwise_distance(x) / x.shape[2] ** 0.5
        neighbors = min(self.options.neighbors, x.shape[1])
        nearest = distance.topk(neighbors, dim=2, largest=False).values
        density = (-nearest.square().mean(dim=2)).exp()
        index = torch.arange(x.shape[1], device=x.device)
        tie = (density.unsqueeze(1) == density.unsqueeze(2)) & (index[None, :] < index[:, None])
        denser = (density.unsqueeze(1) > density.unsqueeze(2)) | tie
        largest = distance.amax(dim=(1, 2), keepdim=True)
        indicator = torch.where(denser, distance, largest).amin(dim=2)
        centers = rank_descending(density * indicator)[:, : self.stage.budget]
        slots = torch.arange(centers.shape[1], device=x.device).expand_as(centers)
        return centers, gather_tokens(distance, centers).argmin(dim=1).scatter(1, centers, slots)
