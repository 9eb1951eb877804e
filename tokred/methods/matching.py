"""Bipartite matching of tokens at alternating positions, as introduced by ToMe."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tokred.methods.tokens import at_least_float32


@dataclass(frozen=True)
class Matching:
    """Result of `match`.

    Attributes:
        assign: (B, N) slot of each token. Slots are the unmerged tokens of A in their order, then those of B.
        num_slots: number of slots K.
        merged: (B, N) whether a token is one of A that is merged into its partner.
    """

    assign: Tensor
    num_slots: int
    merged: Tensor

    @property
    def representative(self) -> Tensor:
        """(B, K) token of each slot that is not merged into another."""
        token = torch.arange(self.assign.shape[1], device=self.assign.device).expand_as(self.assign)
        slots = torch.where(self.merged, self.num_slots, self.assign)  # the others go to an extra column
        return token.new_zeros(token.shape[0], self.num_slots + 1).scatter(1, slots, token)[:, :-1]


def mean_keys(keys: Tensor) -> Tensor:
    """(B, N, d) keys of (B, H, N, d), averaged over heads, in single precision or better."""
    return at_least_float32(keys).mean(dim=1)


@torch.no_grad()
def match(metric: Tensor, num_merged: int, num_prefix: int = 1) -> Matching:
    """Merge the tokens of A with the strongest edges into B.

    Tokens at even positions of the whole sequence (CLS is at 0) are A, those at odd positions B. Each token
    of A has one edge, to the token of B of largest cosine similarity. Equal edges are taken in the order of
    positions. Prefix tokens take no part.

    Args:
        metric: (B, N, d) features of the spatial tokens, by which they are compared.
        num_merged: number of edges to merge, at most the number of spatial tokens in A.
        num_prefix: number of prefix tokens, which precede the spatial tokens.
    """
    metric = F.normalize(metric, dim=-1)
    first_a = num_prefix % 2  # the first spatial token in A
    edge, target = (metric[:, first_a::2] @ metric[:, 1 - first_a :: 2].transpose(1, 2)).max(dim=2)
    order = edge.argsort(dim=1, descending=True, stable=True)
    merged = torch.zeros_like(order).scatter(1, order[:, :num_merged], 1).bool()
    num_a, num_tokens = edge.shape[1], metric.shape[1]
    num_unmerged, num_b = num_a - num_merged, num_tokens - num_a
    slot_a = torch.where(merged, target + num_unmerged, (~merged).cumsum(dim=1) - 1)
    slot_b = (num_unmerged + torch.arange(num_b, device=metric.device)).expand(metric.shape[0], -1)
    token = torch.arange(num_tokens, device=metric.device)
    # Index of each token in the concatenation of A and B.
    index = token // 2 + (token % 2 != first_a) * num_a
    return Matching(
        assign=torch.cat([slot_a, slot_b], dim=1)[:, index],
        num_slots=num_unmerged + num_b,
        merged=F.pad(merged, (0, num_b))[:, index],
    )
