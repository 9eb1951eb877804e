"""Matching of tokens: which of them merge into which. ToMe's rule matches tokens at alternating positions.

The order of the slots is part of a method, since rules by position see it in the next block.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tokred.methods.base import rank_descending
from tokred.methods.tokens import at_least_float32, gather_tokens


@dataclass(frozen=True)
class Matching:
    """Which tokens stay, and which merge into one that stays. Tokens that do neither are dropped.

    Attributes:
        representative: (B, K) token that stays as slot k.
        merged: (B, R) tokens that merge into others.
        target: (B, R) slot into which each of these merges.
        num_tokens: N.
    """

    representative: Tensor
    merged: Tensor
    target: Tensor
    num_tokens: int

    @property
    def num_slots(self) -> int:
        """K."""
        return self.representative.shape[1]

    @property
    def assign(self) -> Tensor:
        """(B, N) slot of each token, -1 if it is dropped."""
        slots = torch.arange(self.num_slots, device=self.representative.device)
        assign = self.representative.new_full((self.representative.shape[0], self.num_tokens), -1)
        assign = assign.scatter(1, self.representative, slots.expand_as(self.representative))
        return assign.scatter(1, self.merged, self.target)

    def add(self, staying: Tensor, merged: Tensor) -> Tensor:
        """(B, K, ...) values of slots, from those of tokens that stay and (B, R, ...) of merged ones.

        The former may change: adding whole rows in place is faster than `scatter_add`.
        """
        batch, num_slots = staying.shape[:2]
        first_slot = torch.arange(batch, device=staying.device).unsqueeze(1) * num_slots
        rows = staying.flatten(0, 1)
        rows.index_add_(0, (self.target + first_slot).flatten(), merged.flatten(0, 1))
        return rows.reshape(staying.shape)

    def sums(self, x: Tensor) -> Tensor:
        """(B, K, ...) sums of (B, N, ...) values over the tokens of each slot."""
        return self.add(gather_tokens(x, self.representative), gather_tokens(x, self.merged))

    def largest(self, x: Tensor) -> Tensor:
        """(B, K) largest of the (B, N) values of each slot's tokens."""
        staying, merged = gather_tokens(x, self.representative), gather_tokens(x, self.merged)
        return staying.scatter_reduce(1, self.target, merged, "amax")

    def mean(self, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """(B, K, D) mean of each slot's (B, N, D) tokens with (B, N) weights, and (B, K) sums of these."""
        total = self.sums(weight)
        # Normalized weights spare a division of all tokens.
        staying = gather_tokens(weight, self.representative) / total
        merged = gather_tokens(weight, self.merged) / total.gather(1, self.target)
        mean = self.add(
            gather_tokens(x, self.representative) * staying.unsqueeze(-1),
            gather_tokens(x, self.merged) * merged.unsqueeze(-1),
        )
        return mean.to(x.dtype), total


def mean_keys(keys: Tensor) -> Tensor:
    """(B, N, d) keys of (B, H, N, d), averaged over heads, in single precision or better."""
    return at_least_float32(keys).mean(dim=1)


def num_mergeable(num_tokens: int, budget: int) -> int:
    """Number of tokens to merge, of `num_tokens`, to keep `budget`; at most half of them can."""
    return min(max(num_tokens - budget, 0), num_tokens // 2)


def unmatched(x: Tensor) -> Matching:
    """The matching in which all (B, N, ...) tokens stay, in their order."""
    tokens = torch.arange(x.shape[1], device=x.device).expand(x.shape[0], -1)
    return Matching(tokens, tokens[:, :0], tokens[:, :0], x.shape[1])


@torch.no_grad()
def match(metric: Tensor, num_merged: int, num_prefix: int = 1) -> Matching:
    """Merge the tokens of A with the strongest edges into B (ToMe's bipartite soft matching).

    Tokens at even positions of the whole sequence (CLS is at 0) are A, those at odd positions B. Each token
    of A has one edge, to the token of B of largest cosine similarity. Equal edges are taken in the order of
    positions. Prefix tokens take no part. Slots are the unmerged tokens of A, then those of B, both in the
    order of positions; if none merges, all tokens keep their places.

    Args:
        metric: (B, N, d) features of the spatial tokens, by which they are compared.
        num_merged: number of edges to merge, at most the number of spatial tokens in A.
        num_prefix: number of prefix tokens, which precede the spatial tokens.
    """
    tokens = unmatched(metric)
    if num_merged == 0:
        return tokens
    first_a = num_prefix % 2  # the first spatial token in A
    a, b = tokens.representative[:, first_a::2], tokens.representative[:, 1 - first_a :: 2]
    metric = F.normalize(metric, dim=-1)
    similarity = metric[:, first_a::2] @ metric[:, 1 - first_a :: 2].transpose(1, 2)
    order, target = strongest_edges(similarity)
    unmerged = order[:, num_merged:].sort(dim=1).values
    return Matching(
        representative=torch.cat([a.gather(1, unmerged), b], dim=1),
        merged=a.gather(1, order[:, :num_merged]),
        target=target[:, :num_merged] + unmerged.shape[1],
        num_tokens=metric.shape[1],
    )


def strongest_edges(similarity: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens of A by falling similarity to the most similar token of B, and that token of B.

    Args:
        similarity: (B, |A|, |B|) similarities.

    Returns:
        Indices within A and within B, both (B, |A|). Equal similarities are taken in the order of indices.
    """
    edge, target = similarity.max(dim=2)
    order = rank_descending(edge)
    return order, target.gather(1, order)
