"""ToFu: drop similar tokens in early blocks and merge them in later ones (Kim et al. 2024)."""

from __future__ import annotations

import torch
from torch import Tensor

from tokred.methods.base import Context, Reducer, Reduction
from tokred.methods.matching import Matching, match, mean_keys, num_mergeable
from tokred.methods.options import ToFuOptions
from tokred.methods.tokens import at_least_float32, gather_tokens

#: Smallest norm by which a mean is divided: a mean of zero has no direction, and stays zero.
SMALLEST_NORM = 1e-12


class ToFu(Reducer):
    """Bipartite matching on the block's keys, whose pairs lose one token or merge with norms preserved.

    Up to block `options.last_pruning`, the N - K_s tokens of A with the strongest edges (at most all, see
    `tokred.methods.matching`) are dropped. In later blocks they merge by MLERP: a slot has the direction of
    its tokens' mean and the largest of their norms. Sizes are not counted.
    """

    options: ToFuOptions

    @property
    def prunes(self) -> bool:
        """Whether the stage drops tokens; otherwise it merges them."""
        last = self.options.last_pruning
        return self.stage.block <= (self.stage.depth // 2 if last is None else last)

    def forward(self, x: Tensor, context: Context) -> Reduction:
        num_merged = num_mergeable(x.shape[1], self.stage.budget)
        matching = match(mean_keys(context.attention.keys), num_merged, context.num_prefix)
        if self.prunes:
            return Reduction(anchor=matching.representative)
        return Reduction(
            tokens=self._mlerp(x, matching), anchor=matching.representative, assign=matching.assign
        )

    def _mlerp(self, x: Tensor, matching: Matching) -> Tensor:
        """(B, K, D) tokens with the direction of each slot's mean and the largest norm of its members."""
        values = at_least_float32(x)
        norm = values.norm(dim=2)
        mean, count = matching.mean(values, torch.ones_like(norm))
        staying = gather_tokens(x, matching.representative)
        length = mean.norm(dim=2) if self.options.mlerp == "paper" else staying.to(mean.dtype).norm(dim=2)
        scale = matching.largest(norm) / length.clamp(min=SMALLEST_NORM)
        merged = (mean * scale.unsqueeze(-1)).to(x.dtype)
        return torch.where((count > 1).unsqueeze(-1), merged, staying)
