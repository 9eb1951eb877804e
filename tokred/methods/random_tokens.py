"""random: keep random tokens, in every image others."""

from __future__ import annotations

import torch
from torch import Tensor

from tokred.methods.base import Context, Reducer, Reduction
from tokred.methods.options import RandomOptions

#: Features of the embedded tokens by which images are told apart.
_NUM_FEATURES = 8
_MASK, _FACTOR = (1 << 32) - 1, 0x45D9F3B


class RandomTokens(Reducer):
    """Control for pruning: keeps K_s random tokens, in their order.

    Random numbers are computed from the embedded image and the option `seed`, and not drawn from a generator:
    an image keeps the same tokens in any batch and at any time, and other images keep others. Each token has
    one number, and a stage keeps the tokens with the K_s largest. With the same patch embedding, a smaller
    keep rate thus keeps some of the tokens of a larger one; once it is trained, other tokens are drawn.
    """

    options: RandomOptions

    def begin(self, x: Tensor) -> Tensor:
        """(B, P) random integers below 2^32, all different within an image.

        Images are told apart by the tokens in which the first features are largest. Unlike the features' last
        bits, these tokens hardly ever depend on rounding, which differs between batch sizes.
        """
        largest = x[..., :_NUM_FEATURES].argmax(dim=1)
        key = torch.full_like(largest[:, 0], self.options.seed)
        for feature in largest.unbind(1):
            key = scramble(key ^ feature)
        return scramble((key.unsqueeze(1) + torch.arange(x.shape[1], device=x.device)) & _MASK)

    def forward(self, x: Tensor, context: Context) -> Reduction:
        numbers = context.state
        assert isinstance(numbers, Tensor), "made by `begin`, and passed on by every stage"
        order = numbers.argsort(dim=1, descending=True)
        kept = order[:, : self.stage.budget].sort(dim=1).values
        return Reduction(anchor=kept, state=numbers.gather(1, kept))


def scramble(key: Tensor) -> Tensor:
    """A permutation of the integers below 2^32 that looks random: xor-shifts and multiplications."""
    for _ in range(2):
        key = (((key >> 16) ^ key) * _FACTOR) & _MASK
    return (key >> 16) ^ key
