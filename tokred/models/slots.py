"""Where the tokens of a forward pass come from: their positions on the input grid, through all stages.

A model with rotary or relative position embeddings needs the position of every token in every block. A kept
token has its own position. A merged token has that of its representative token (the kept token, the cluster's
center, the token into which others were merged). Where a method names none (soft merging, EViT's fused
token), and everywhere with the rule "centroid", it is the cell of the grid nearest to the mean position of
the input tokens that were merged. A slot without any input token (padding, or the fused token of dropped
ones) is at the center of the grid."""

from __future__ import annotations

import torch
from torch import Tensor

from tokred.methods.base import Reduction

#: Rules for the position of a merged token.
RULES = ("representative", "centroid")


class Slots:
    """Tokens of one forward pass.

    Args:
        tokens: (B, P, D) tokens of the input grid.
        grid: its (rows, columns).
        rule: position of a merged token, one of `RULES`.

    Attributes:
        assign: (B, P) slot of each input token, -1 if it was dropped.
        position: (B, N) position of each slot, as an index on the input grid.
        whole: whether the tokens are still those of the grid, in its order.
    """

    def __init__(self, tokens: Tensor, grid: tuple[int, int], rule: str = "representative") -> None:
        index = torch.arange(tokens.shape[1], device=tokens.device).expand(tokens.shape[0], -1)
        self.assign = self.position = index
        self.grid, self.rule, self.whole = grid, rule, True

    def update(self, reduction: Reduction, num_tokens: int) -> None:
        """Follow the reduction of a stage with that number of tokens."""
        if reduction.anchor is None:
            return
        assign, anchor = assignment(reduction, num_tokens), reduction.anchor
        self.assign = follow(assign, self.assign)
        named = anchor if reduction.position is None else reduction.position
        position, centroid, empty = follow(self.position, named), *self._centroid(anchor.shape[1])
        use_centroid = position < 0
        if self.rule == "centroid":
            use_centroid = use_centroid | ~empty
        self.position = torch.where(use_centroid, centroid, position)
        self.whole = False

    def count(self, num_slots: int) -> Tensor:
        """(B, K) number of input tokens of each slot."""
        ones = torch.ones_like(self.assign, dtype=torch.float32)
        return self._sum(ones, num_slots)

    def _centroid(self, num_slots: int) -> tuple[Tensor, Tensor]:
        """(B, K) cell nearest to the mean position of a slot's input tokens, and whether there are none."""
        rows, columns = self.grid
        count = self.count(num_slots)
        index = torch.arange(self.assign.shape[1], device=self.assign.device)
        cell = torch.zeros_like(count, dtype=torch.long)
        for coordinate, length, stride in ((index // columns, rows, columns), (index % columns, columns, 1)):
            total = self._sum(coordinate.float().expand_as(self.assign), num_slots)
            mean = torch.where(count > 0, total / count.clamp(min=1), (length - 1) / 2)
            cell = cell + stride * (mean + 0.5).floor().long().clamp(max=length - 1)
        return cell, count == 0

    def _sum(self, values: Tensor, num_slots: int) -> Tensor:
        """(B, K) sums of (B, P) values over the input tokens of each slot."""
        sums = values.new_zeros(values.shape[0], num_slots + 1)  # dropped tokens go to an extra column
        return sums.scatter_add(1, torch.where(self.assign < 0, num_slots, self.assign), values)[:, :-1]


def assignment(reduction: Reduction, num_tokens: int) -> Tensor:
    """(B, N) slot of each input token of a stage that reduces, -1 if it was dropped."""
    if reduction.assign is not None:
        return reduction.assign
    anchor = reduction.anchor
    assert anchor is not None, "a stage that reduces has slots"
    slots = torch.arange(anchor.shape[1], device=anchor.device).expand_as(anchor)
    # Slots without a representative token write into an extra column, which is cut off.
    assign = anchor.new_full((anchor.shape[0], num_tokens + 1), -1)
    return assign.scatter(1, torch.where(anchor < 0, num_tokens, anchor), slots)[:, :num_tokens]


def follow(values: Tensor, index: Tensor, fill: float = -1) -> Tensor:
    """values[b, index[b, i]], and `fill` where the index is -1."""
    return values.gather(1, index.clamp(min=0)).masked_fill(index < 0, fill)
