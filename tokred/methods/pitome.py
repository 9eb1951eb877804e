"""PiToMe: merge tokens that are like many others, and protect the rest (Tran et al. 2024)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tokred.methods.base import (
    Context,
    Reducer,
    Reduction,
    no_representative,
    ones_like_tokens,
    rank_descending,
)
from tokred.methods.matching import Matching, mean_keys, num_mergeable, strongest_edges, unmatched
from tokred.methods.options import PiToMeOptions
from tokred.methods.tokens import at_least_float32, gather_tokens


class PiToMe(Reducer):
    """Tokens are ranked by energy, and those at even ranks merge into the most similar ones at odd ranks.

    The energy of a token is the mean over all tokens of ELU(cosine of keys - margin), where the margin falls
    linearly from `options.margin` in the first block. `options.form` says in which blocks the tokens of low
    energy are protected. Merging is weighted by size; by default, attention does not depend on size.
    """

    options: PiToMeOptions

    has_key_weights = True

    @property
    def protects(self) -> bool:
        """Whether tokens of low energy are protected in the stage's block."""
        block, depth = self.stage.block, self.stage.depth
        in_first_half = block < (depth + 1) // 2
        return {"paper": True, "deit": not in_first_half, "mae": in_first_half}[self.options.form]

    def forward(self, x: Tensor, context: Context) -> Reduction:
        size = ones_like_tokens(x) if context.size is None else context.size
        matching = self._match(context.attention.keys, num_mergeable(x.shape[1], self.stage.budget))
        tokens, merged_size = matching.mean(x, size)
        return Reduction(
            tokens=tokens,
            anchor=no_representative(x, matching.num_slots),
            assign=matching.assign,
            position=matching.representative if context.trace else None,
            weight=merged_size if self.options.proportional == "log" else None,
            size=merged_size,
        )

    @torch.no_grad()
    def _match(self, keys: Tensor, num_merged: int) -> Matching:
        """The matching by (B, H, N, d) keys."""
        metric = F.normalize(mean_keys(keys), dim=-1)
        if num_merged == 0:
            return unmatched(metric)
        similarity = at_least_float32(metric @ metric.transpose(1, 2))
        margin = self.options.margin * (1 - self.stage.block / self.stage.depth)
        ranked = rank_descending(F.elu(similarity - margin).mean(dim=2))
        if self.protects:
            mergeable, protected = ranked[:, : 2 * num_merged], ranked[:, 2 * num_merged :]
        else:
            mergeable, protected = ranked, ranked[:, :0]
        a, b = mergeable[:, ::2], mergeable[:, 1::2]
        among = gather_tokens(similarity, a).gather(2, b.unsqueeze(1).expand(-1, a.shape[1], -1))
        order, target = strongest_edges(among)
        # Unmerged tokens are in the order of their edges; there are none where others are protected.
        staying = torch.cat([protected, a.gather(1, order[:, num_merged:])], dim=1)
        return Matching(
            representative=torch.cat([staying, b], dim=1),
            merged=a.gather(1, order[:, :num_merged]),
            target=target[:, :num_merged] + staying.shape[1],
            num_tokens=keys.shape[2],
        )
