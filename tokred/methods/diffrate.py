"""DiffRate: prune, then merge, the tokens of least CLS attention (Chen et al. 2023), by a given schedule."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tokred.methods.base import Context, Reducer, Reduction, ones_like_tokens, rank_descending
from tokred.methods.matching import Matching
from tokred.methods.options import DiffRateOptions
from tokred.methods.tokens import at_least_float32, gather_tokens

#: Smallest size of a token, where sources of negative similarity would leave none: log(size) must be finite.
SMALLEST_SIZE = 1e-6


class DiffRate(Reducer):
    """Tokens are ranked by CLS attention; the last are dropped, those before them merge into the first.

    Each token that merges goes to the most similar one of the K_s that stay, by the cosine of the tokens
    after attention and its residual. By default a slot is the plain mean of its tokens, and a merged token
    adds its size times its cosine to the slot's, so that sizes are real numbers. Attention of later blocks
    depends on them.
    """

    options: DiffRateOptions

    has_key_weights = True

    def forward(self, x: Tensor, context: Context) -> Reduction:
        size = ones_like_tokens(x) if context.size is None else context.size
        matching, cosine = self._match(x, context.attention.cls_scores().mean(dim=1))
        weight = size if self.options.merge == "weighted" else torch.ones_like(size)
        tokens, _ = matching.mean(x, weight)
        merged_size = self._sizes(size, matching, cosine)
        return Reduction(
            tokens=tokens,
            anchor=matching.representative,
            assign=matching.assign,
            weight=merged_size if self.options.proportional == "log" else None,
            size=merged_size,
        )

    @torch.no_grad()
    def _match(self, x: Tensor, importance: Tensor) -> tuple[Matching, Tensor]:
        """The matching by (B, N) importance, and (B, R) cosines of merged tokens with their targets."""
        num_tokens = x.shape[1]
        kept = min(self.stage.budget, num_tokens)
        ranked = rank_descending(importance)
        staying, merged = ranked[:, :kept], ranked[:, kept : self._pruned_to(num_tokens, kept)]
        unit = F.normalize(at_least_float32(x), dim=2)
        similarity = gather_tokens(unit, merged) @ gather_tokens(unit, staying).transpose(1, 2)
        cosine, target = similarity.max(dim=2)
        return Matching(staying, merged, target, num_tokens), cosine

    def _pruned_to(self, num_tokens: int, kept: int) -> int:
        """Number of tokens that pruning leaves, at least `kept`."""
        if self.stage.pruned_to is None:
            return num_tokens - int(self.options.prune_share * (num_tokens - kept))
        return min(max(self.stage.pruned_to, kept), num_tokens)

    @torch.no_grad()
    def _sizes(self, size: Tensor, matching: Matching, cosine: Tensor) -> Tensor:
        """(B, K) sizes of the slots."""
        if self.options.size == "count":
            return matching.sums(size)
        added = gather_tokens(size, matching.merged) * cosine.to(size.dtype)
        sizes = matching.add(gather_tokens(size, matching.representative), added)
        return sizes.clamp(min=1.0 if self.training else SMALLEST_SIZE)
