"""ToMe: merge the most similar pairs of tokens (Bolya et al. 2023; paper section 3.1.4)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tokred.methods.base import Context, Reducer, Reduction, Site, no_representative
from tokred.methods.tokens import at_least_float32, sum_by_slot


class ToMe(Reducer):
    """Bipartite matching on the block's keys, size-weighted merging, proportional attention.

    Tokens alternate between A and B, starting with CLS in A, so that spatial tokens at even indices are in B
    and those at odd indices in A. Each token of A has one edge, to its most similar token in B; the N - K_s
    strongest edges (at most all) are merged. Slots are the unmerged tokens of A in their order, then those of
    B.
    """

    site = Site.AFTER
    has_key_weights = True

    def forward(self, x: Tensor, context: Context) -> Reduction:
        # Half precision cannot represent all sizes.
        size = torch.ones_like(x[..., 0], dtype=torch.float32) if context.weight is None else context.weight
        num_a = x.shape[1] // 2
        num_merged = min(max(x.shape[1] - self.stage.budget, 0), num_a)
        if num_merged == 0:
            tokens = torch.arange(x.shape[1], device=x.device).expand(x.shape[0], -1)
            return Reduction(
                tokens=x, anchor=no_representative(x, x.shape[1]), assign=tokens, weight=context.weight
            )
        assign, num_slots = self._match(context.attention.keys, num_merged)
        weighted = sum_by_slot(x * size.unsqueeze(-1), assign, num_slots)
        merged_size = sum_by_slot(size, assign, num_slots)
        return Reduction(
            tokens=(weighted / merged_size.unsqueeze(-1)).to(x.dtype),
            anchor=no_representative(x, num_slots),
            assign=assign,
            weight=merged_size,
        )

    @staticmethod
    @torch.no_grad()
    def _match(keys: Tensor, num_merged: int) -> tuple[Tensor, int]:
        """(B, N) slot of each token, and the number of slots, from (B, H, N, d) keys."""
        metric = F.normalize(at_least_float32(keys).mean(dim=1), dim=-1)
        num_tokens = metric.shape[1]
        edge, target = (metric[:, 1::2] @ metric[:, 0::2].transpose(1, 2)).max(dim=2)
        order = edge.argsort(dim=1, descending=True, stable=True)
        merged = order[:, :num_merged]
        num_a = edge.shape[1]
        unmerged = torch.ones_like(edge, dtype=torch.long).scatter(1, merged, 0)
        num_unmerged = num_a - num_merged
        slot_a = unmerged.cumsum(dim=1) - 1
        slot_a = torch.where(unmerged.bool(), slot_a, target + num_unmerged)
        num_b = num_tokens - num_a
        slot_b = (num_unmerged + torch.arange(num_b, device=keys.device)).expand(metric.shape[0], -1)
        token = torch.arange(num_tokens, device=keys.device)
        index = token // 2 + token % 2 * num_b  # of each token in the concatenation of B and A
        return torch.cat([slot_b, slot_a], dim=1)[:, index], num_unmerged + num_b
