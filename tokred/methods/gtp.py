"""GTP: prune tokens, and propagate them along a graph to those that stay (Xu et al. 2024)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tokred.methods.attention import BlockAttention
from tokred.methods.base import Context, Reducer, Reduction, ones_like_tokens, rank_descending
from tokred.methods.options import GTPOptions
from tokred.methods.tokens import at_least_float32, gather_tokens, no_autocast


class GTP(Reducer):
    """Keeps tokens that attend to themselves and receive attention, and adds the others to their neighbors.

    The graph of the embedded tokens is made once. A token that is removed is added to all kept tokens with an
    edge to it, a small part each, so that it belongs to no one slot: patterns have it as dropped.
    """

    options: GTPOptions

    has_key_weights = True

    @torch.no_grad()
    def begin(self, x: Tensor) -> Tensor:
        """(B, P, P) weights of edges, `D**-1/2 G D**-1/2`, with the graph G and its rows' degrees D."""
        graph = torch.zeros(x.shape[0], x.shape[1], x.shape[1], dtype=torch.bool, device=x.device)
        if self.options.graph != "spatial":
            graph = graph | _nearest(x, self.options.neighbors)
        if self.options.graph != "semantic":
            graph = graph | _adjacent(self.stage.grid, x.device)
        edges = graph.to(torch.promote_types(x.dtype, torch.float32))
        scale = edges.sum(dim=2).clamp(min=1).rsqrt()
        return scale.unsqueeze(2) * edges * scale.unsqueeze(1)

    def attend(self, attention: BlockAttention) -> Tensor:
        """Attention in which the smallest entries of each head are 0; rows need not sum to 1 then."""
        probabilities = attention.all_probabilities()
        flat = probabilities.detach().flatten(2)
        dropped = int(flat.shape[2] * (1 - self.options.theta))
        if dropped == 0:
            return probabilities
        # Of the entries up to the k-th smallest, that one stays.
        threshold = flat.kthvalue(dropped, dim=2).values[..., None, None]
        return probabilities.masked_fill(probabilities < threshold, 0.0)

    def forward(self, x: Tensor, context: Context) -> Reduction:
        weights = context.state
        assert isinstance(weights, Tensor), "the graph, see `begin`"
        order = rank_descending(self._scores(context.attention))
        kept, removed = order[:, : self.stage.budget], order[:, self.stage.budget :]
        rows = gather_tokens(weights, kept)
        share = self.options.alpha * _columns(rows, removed)
        scale = ones_like_tokens(x) if context.weight is None else context.weight
        merged_scale = scale.gather(1, kept) + (share @ scale.gather(1, removed).unsqueeze(2)).squeeze(2)
        tokens = gather_tokens(x, kept) + share @ gather_tokens(x, removed).to(share.dtype)
        return Reduction(
            tokens=tokens.to(x.dtype),
            anchor=kept,
            weight=merged_scale if self.options.proportional == "log" else None,
            # Tokens are sums, which need no weight in a mean.
            size=torch.ones_like(merged_scale),
            state=_columns(rows, kept),
        )

    @torch.no_grad()
    def _scores(self, attention: BlockAttention) -> Tensor:
        """(B, N) largest attention to itself times largest attention received, both over heads."""
        probabilities = attention.probabilities
        assert probabilities is not None, "result of `attend`"
        to_self = probabilities.diagonal(dim1=2, dim2=3).amax(dim=1)
        received = probabilities.sum(dim=2).amax(dim=1)
        return (to_self * received)[:, attention.num_prefix :]


def _nearest(x: Tensor, neighbors: int) -> Tensor:
    """(B, N, N) whether j is one of the tokens most similar to i, by cosine; not symmetric."""
    unit = F.normalize(at_least_float32(x), dim=-1)
    with no_autocast(x):
        cosine = unit @ unit.transpose(1, 2)
    # A token is nearest to itself.
    threshold = cosine.topk(min(neighbors + 1, x.shape[1]), dim=2).values[..., -1:]
    itself = torch.eye(x.shape[1], dtype=torch.bool, device=x.device)
    return (cosine >= threshold) & ~itself


def _adjacent(grid: tuple[int, int], device: torch.device) -> Tensor:
    """(P, P) whether two tokens touch on the grid, at sides or corners."""
    place = torch.cartesian_prod(*(torch.arange(length, device=device) for length in grid))
    distance = (place.unsqueeze(0) - place.unsqueeze(1)).abs().amax(dim=2)
    return distance == 1


def _columns(weights: Tensor, index: Tensor) -> Tensor:
    """(B, K, J) columns of (B, K, N) at (B, J) indices."""
    return weights.gather(2, index.unsqueeze(1).expand(-1, weights.shape[1], -1))
