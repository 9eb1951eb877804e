"""MCTF: merge tokens that are similar, receive little attention and are small (Lee, Choi and Kim 2024)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tokred.methods.attention import MergedAttention
from tokred.methods.base import Context, Reducer, Reduction, no_representative, ones_like_tokens
from tokred.methods.options import MCTFOptions
from tokred.methods.tokens import at_least_float32, sum_by_slot

#: Least attention that a token counts as receiving: what is left of it may have no reciprocal.
_LEAST_ATTENTION = 1e-30


class MCTF(Reducer):
    """Matching by three criteria in both directions, before attention, which merged tokens inherit.

    Tokens are compared before the block by their similarity, by the attention that they receive in the block,
    and by size. Half of the tokens to merge go from A (even positions) to B, then half from B to what is
    left of A. The output has A in the order of positions, then B by falling score, on which the next stage's
    A and B depend.

    The number of tokens comes from the schedule alone. The published code stops at 10 tokens, CLS included.
    """

    options: MCTFOptions

    has_key_weights = True

    def forward(self, x: Tensor, context: Context) -> Reduction:
        num_merged = min(max(x.shape[1] - self.stage.budget, 0), x.shape[1] // 2)
        if num_merged == 0:
            return Reduction(weight=context.weight, size=context.size)
        probabilities = context.attention.all_probabilities()
        received = probabilities.detach().mean(dim=(1, 2)).clamp(min=_LEAST_ATTENTION)
        size = ones_like_tokens(x) if context.size is None else context.size
        scores = self._scores(x.detach(), received, size, context.num_prefix)
        forth = num_merged // 2 if self.options.bidirectional else num_merged
        assign, moved = match_both_ways(scores, forth, num_merged - forth, context.num_prefix)
        num_slots = x.shape[1] - num_merged
        merged_size = sum_by_slot(size, assign, num_slots)
        share = self._share(received[:, context.num_prefix :], size, assign, num_slots)
        return Reduction(
            tokens=self._pool(x, share, assign, num_slots),
            anchor=no_representative(x, num_slots),
            assign=assign,
            position=_staying(assign, moved, num_slots) if context.trace else None,
            weight=merged_size if self.options.proportional == "log" else None,
            size=merged_size,
            attention=self._attention(probabilities, assign, share, context.num_prefix),
        )

    def _scores(self, x: Tensor, received: Tensor, size: Tensor, num_prefix: int) -> Tensor:
        """(B, |A|, |B|) product of the criteria for each pair of a spatial token of A and one of B.

        Args:
            x: (B, N, D) tokens.
            received: (B, M) attention received, mean over queries and heads.
            size: (B, N) sizes.
            num_prefix: number of prefix tokens, whose size is 1.
        """
        options = self.options
        unit = F.normalize(at_least_float32(x), dim=-1)
        info = received.amin(dim=1, keepdim=True) / received[:, num_prefix:]
        factor = info ** (1 / options.tau_info) * size ** (-1 / options.tau_size)
        first_a = num_prefix % 2  # the first spatial token in A
        unit_a, unit_b = unit[:, first_a::2], unit[:, 1 - first_a :: 2]
        cosine = unit_a @ unit_b.transpose(1, 2)
        similarity = ((cosine + 1) / 2).clamp(min=0) ** (1 / options.tau_sim)
        return similarity * factor[:, first_a::2, None] * factor[:, None, 1 - first_a :: 2]

    def _share(self, received: Tensor, size: Tensor, assign: Tensor, num_slots: int) -> Tensor:
        """(B, N) weight of each token in the mean of its slot, with sum 1."""
        pooling = self.options.pooling
        if pooling == "size":
            weight = size
        elif pooling == "mean":
            weight = torch.ones_like(size)
        else:
            weight = received * (size / size.amax(dim=1, keepdim=True))
        return weight / sum_by_slot(weight, assign, num_slots).gather(1, assign)

    def _pool(self, x: Tensor, share: Tensor, assign: Tensor, num_slots: int) -> Tensor:
        """(B, K, D) merged tokens."""
        if self.options.pooling == "max":
            index = assign.unsqueeze(-1).expand_as(x)
            slots = x.new_zeros(x.shape[0], num_slots, x.shape[2])
            return slots.scatter_reduce(1, index, x, "amax", include_self=False)
        return sum_by_slot(x * share.unsqueeze(-1), assign, num_slots).to(x.dtype)

    def _attention(
        self, probabilities: Tensor, assign: Tensor, share: Tensor, num_prefix: int
    ) -> MergedAttention | None:
        """The merged tokens' attention, in which prefix tokens stay as they are."""
        if self.options.attention == "recompute":
            return None
        prefix = torch.arange(num_prefix, device=assign.device).expand(assign.shape[0], -1)
        return MergedAttention(
            probabilities,
            assign=torch.cat([prefix, assign + num_prefix], dim=1),
            share=F.pad(share, (num_prefix, 0), value=1.0),
        )


@torch.no_grad()
def match_both_ways(scores: Tensor, forth: int, back: int, num_prefix: int = 1) -> tuple[Tensor, Tensor]:
    """Merge tokens of A into B, and then tokens of B into A.

    Each token has one edge, to the token of the other side with the highest score, and the tokens with the
    highest edges merge. A token of B takes with it what has merged into it. Slots are what is left of A in
    the order of positions, then what is left of B by falling edge (in the order of positions if `back` is 0).
    Equal scores are taken in the order of positions.

    Args:
        scores: (B, |A|, |B|) scores of the spatial tokens at even (A) and odd (B) positions of the whole
            sequence, in their order.
        forth: number of tokens of A to merge, less than |A| unless `back` is 0.
        back: number of tokens of B to merge after that into those of A that are left.
        num_prefix: number of prefix tokens, which take no part.

    Returns:
        Slot of each spatial token, and whether it has merged into another, both (B, N).
    """
    num_a, num_b = scores.shape[1:]
    edge, target = scores.max(dim=2)
    order = edge.argsort(dim=1, descending=True, stable=True)
    merged = torch.zeros_like(order).scatter(1, order[:, :forth], 1).bool()
    slot_a, left_a = (~merged).cumsum(dim=1) - 1, num_a - forth
    rank = torch.arange(num_b, device=scores.device).expand(scores.shape[0], -1)
    slot_b = left_a + rank
    if back > 0:
        edge, partner = scores.masked_fill(merged.unsqueeze(2), -1).max(dim=1)
        order = edge.argsort(dim=1, descending=True, stable=True)
        rank = torch.zeros_like(order).scatter(1, order, rank)
        slot_b = torch.where(rank < back, slot_a.gather(1, partner), left_a + rank - back)
    slot_a = torch.where(merged, slot_b.gather(1, target), slot_a)
    token = torch.arange(num_a + num_b, device=scores.device)
    # Index of each token in the concatenation of A and B.
    index = token // 2 + (token % 2 != num_prefix % 2) * num_a
    slots = torch.cat([slot_a, slot_b], dim=1)[:, index]
    return slots, torch.cat([merged, rank < back], dim=1)[:, index]


def _staying(assign: Tensor, moved: Tensor, num_slots: int) -> Tensor:
    """(B, K) token of each slot that has not merged into another."""
    token = torch.arange(assign.shape[1], device=assign.device).expand_as(assign)
    slots = torch.where(moved, num_slots, assign)  # the others go to an extra column
    return token.new_zeros(token.shape[0], num_slots + 1).scatter(1, slots, token)[:, :-1]
