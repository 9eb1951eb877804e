"""DTEM: ToMe with a learned embedding by which tokens are compared (Lee and Hong 2024)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tokred.methods.base import (
    Context,
    Reducer,
    Reduction,
    Stage,
    no_representative,
    ones_like_tokens,
    rank_descending,
)
from tokred.methods.matching import match
from tokred.methods.options import DTEMOptions
from tokred.methods.tokens import at_least_float32, gather_tokens, no_autocast, sum_by_slot
from tokred.validation import Strict

#: Width from which on the embedding is twice as wide as a head.
_WIDE = 1024
#: Least weight of a token in training, which no longer affects attention.
_LEAST_WEIGHT = 1e-12


class DTEM(Reducer):
    """Bipartite matching on a linear layer of the block's normalized input, size-weighted merging.

    In training all tokens stay. Merging is soft, so that the layer learns from the task's loss: tokens give
    parts of their weight away, and those of least weight take no part in later stages. The layer's input is
    detached. To train nothing else, as published, freeze the backbone in all epochs
    (`training.backbone_freeze_epochs`), with its classifier and embeddings (`training.full_lr: []`).
    """

    options: DTEMOptions

    has_key_weights = True

    def __init__(self, stage: Stage, options: Strict) -> None:
        super().__init__(stage, options)
        head = stage.embed_dim // stage.num_heads
        width = self.options.width or (2 * head if stage.embed_dim >= _WIDE else head)
        self.embedding = nn.Linear(stage.embed_dim, width)

    def forward(self, x: Tensor, context: Context) -> Reduction:
        normalized = context.attention.normalized.detach()
        metric = at_least_float32(self.embedding(normalized))
        size = ones_like_tokens(x) if context.size is None else context.size
        if self.training:
            with no_autocast(x):
                return self._merge_softly(x, metric, size, context)
        num_merged = self._num_merged(x.shape[1])
        matching = match(metric, num_merged, context.num_prefix)
        weighted = sum_by_slot(x * size.unsqueeze(-1), matching.assign, matching.num_slots)
        merged_size = sum_by_slot(size, matching.assign, matching.num_slots)
        return Reduction(
            tokens=(weighted / merged_size.unsqueeze(-1)).to(x.dtype),
            anchor=no_representative(x, matching.num_slots),
            assign=matching.assign,
            position=matching.representative if context.trace else None,
            weight=merged_size if self.options.proportional == "log" else None,
            size=merged_size,
        )

    def _num_merged(self, num_tokens: int) -> int:
        """Number of tokens to merge, of which there may be more in training."""
        return min(max(num_tokens - self.stage.budget, 0), num_tokens // 2)

    def _merge_softly(self, x: Tensor, metric: Tensor, weight: Tensor, context: Context) -> Reduction:
        """All tokens by falling weight; the state is how many of them count as left."""
        number = context.state if isinstance(context.state, int) else x.shape[1]
        num_merged = self._num_merged(number)
        if num_merged == 0:
            return Reduction(weight=context.weight, size=context.size, state=number)
        unit = F.normalize(metric[:, :number], dim=-1)
        similarity = unit[:, ::2] @ unit[:, 1::2].transpose(1, 2)
        given = soft_assignment(similarity, num_merged, self.options)
        tokens, weight = give(x, weight, given)
        order = rank_descending(weight.detach())
        weight = weight.gather(1, order)
        return Reduction(
            tokens=gather_tokens(tokens, order).to(x.dtype),
            anchor=order,
            weight=weight,
            size=weight,
            state=number - num_merged,
        )


def soft_assignment(similarity: Tensor, num_merged: int, options: DTEMOptions) -> Tensor:
    """(B, S, T) part of its weight that each of S tokens gives to each of T tokens; at most 1 in all.

    It is a relaxed choice of the `num_merged` strongest of all pairs, without replacement. Only the `k2` most
    similar partners of a token are candidates.

    Args:
        similarity: (B, S, T) cosines.
        num_merged: number of rounds, in each of which one pair is chosen.
        options: `k2`, `tau1`, `tau2`.
    """
    ranked = similarity.sort(dim=2, descending=True, stable=True)
    scores = ranked.values[..., : options.k2] / options.tau1
    chosen = torch.zeros_like(scores)
    for _ in range(num_merged):
        now = (scores / options.tau2).flatten(1).softmax(dim=1).view_as(scores)
        chosen = chosen + now
        left = (1 - now.sum(dim=2, keepdim=True)).clamp(min=torch.finfo(torch.float32).eps)
        scores = scores + left.log()
    chosen = chosen / chosen.detach().sum(dim=2, keepdim=True).clamp(min=1)
    return torch.zeros_like(similarity).scatter(2, ranked.indices[..., : options.k2], chosen)


def give(x: Tensor, weight: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens (B, N, D) and weights (B, N) after tokens gave parts of their weight to others.

    Args:
        x: (B, N, D) tokens.
        weight: (B, N) their weights.
        given: (B, S, T) what the tokens at even positions of the first S + T give to those at odd positions.
    """
    number, num_sources = given.shape[1] + given.shape[2], given.shape[1]
    source, target, rest = weight[:, :number:2], weight[:, 1:number:2], weight[:, number:]
    parts = (given * source.unsqueeze(2)).transpose(1, 2)
    absorbed = target + parts.sum(dim=2)
    mixed = x[:, 1:number:2] * target.unsqueeze(2) + parts @ x[:, :number:2].to(parts.dtype)
    mixed = mixed / absorbed.unsqueeze(2)
    left = source * (1 - given.sum(dim=2))
    # The value is bounded and the gradient is not: attention needs the logarithm, and its derivative.
    left = left - left.detach() + left.detach().clamp(min=_LEAST_WEIGHT)
    token = torch.arange(x.shape[1], device=x.device)
    # Index of each token in the concatenation of sources, targets and the rest.
    index = torch.where(token < number, token // 2 + token % 2 * num_sources, token)
    tokens = torch.cat([x[:, :number:2].to(mixed.dtype), mixed, x[:, number:].to(mixed.dtype)], dim=1)
    return tokens[:, index], torch.cat([left, absorbed, rest], dim=1)[:, index]
