"""ToMe: merge the most similar pairs of tokens (Bolya et al. 2023; paper section 3.1.4)."""

from __future__ import annotations

from torch import Tensor

from tokred.methods.base import Context, Reducer, Reduction, no_representative, ones_like_tokens
from tokred.methods.matching import match, mean_keys, num_mergeable
from tokred.methods.options import ToMeOptions


class ToMe(Reducer):
    """Bipartite matching on the block's keys, size-weighted merging, proportional attention.

    The N - K_s strongest edges (at most all) are merged, see `tokred.methods.matching`.
    """

    options: ToMeOptions

    has_key_weights = True

    def forward(self, x: Tensor, context: Context) -> Reduction:
        size = ones_like_tokens(x) if context.size is None else context.size
        num_merged = num_mergeable(x.shape[1], self.stage.budget)
        matching = match(mean_keys(context.attention.keys), num_merged, context.num_prefix)
        tokens, merged_size = matching.mean(x, size)
        return Reduction(
            tokens=tokens,
            anchor=no_representative(x, matching.num_slots),
            assign=matching.assign,
            position=matching.representative if context.trace else None,
            weight=merged_size if self.options.proportional == "log" else None,
            size=merged_size,
        )
