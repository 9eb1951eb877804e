"""timm's blocks, as modules inside which a reduction stage may act.

Their signatures and results are timm's, so that forward hooks on a block, its attention and every other part
see inputs and outputs as usual. A stage is passed in as an `Inside` record.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict

from timm.layers import Attention
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from tokred.methods.attention import BlockAttention
from tokred.methods.tokens import gather_tokens

#: See `Inside.merge`.
Merge = Callable[[Tensor, BlockAttention], tuple[Tensor, Callable[[Attention, Tensor], Tensor]]]


@dataclass
class Inside:
    """The work of a reduction stage inside a block, in one forward pass.

    Attributes:
        num_prefix: number of prefix tokens (CLS, registers).
        policy: (B, N) differentiable decisions that mask keys, or None.
        choose_rows: called with the block's (B, M, D) input and its attention, before the attention's output
            is computed; returns the (B, R) indices of the tokens to keep, None for all.
        before_mlp: called with the tokens after the attention and its residual; returns the reduced tokens.
        merge: called with the block's input and its attention, without values; returns the (B, R, D) merged
            tokens, which replace the input, and a function of the attention layer and the normalized merged
            tokens, which gives the attention's output.
        x: the block's input, after `merge`.
        norm: the block's first norm, where `merge` is set.
        rows: result of `choose_rows`.
    """

    num_prefix: int
    policy: Tensor | None = None
    choose_rows: Callable[[Tensor, BlockAttention], Tensor | None] | None = None
    before_mlp: Callable[[Tensor], Tensor] | None = None
    merge: Merge | None = None
    norm: nn.Module | None = None
    x: Tensor | None = None
    rows: Tensor | None = None


class ReducedAttention(Attention):
    """timm's attention layer, which can compute some query rows only, and gives a stage its scores."""

    def forward(
        self,
        x: Tensor,
        attn_mask: Tensor | None = None,
        is_causal: bool = False,
        *,
        inside: Inside | None = None,
    ) -> Tensor:
        """(B, M, D) output of (B, M, D) tokens; (B, R, D) where `inside` chooses rows."""
        if inside is None:
            return super().forward(x, **mask_arguments(attn_mask, is_causal))
        if inside.merge is not None:
            return self._merged(x, attn_mask, inside, inside.merge)
        attention = BlockAttention(self, x, attn_mask, inside.policy, inside.num_prefix)
        if inside.choose_rows is not None:
            assert inside.x is not None, "set by the block"
            inside.rows = inside.choose_rows(inside.x, attention)
        return attention.output(inside.rows)

    def _merged(self, x: Tensor, attn_mask: Tensor | None, inside: Inside, merge: Merge) -> Tensor:
        """(B, R, D) output of tokens that are merged with their attention probabilities."""
        assert inside.x is not None, "set by the block"
        assert inside.norm is not None, "set by the block"
        attention = BlockAttention(self, x, attn_mask, inside.policy, inside.num_prefix, with_values=False)
        inside.x, attend = merge(inside.x, attention)
        return attend(self, inside.norm(inside.x))


class ReducedBlock(Block):
    """timm's block, in which a stage can reduce the tokens."""

    def forward(
        self,
        x: Tensor,
        attn_mask: Tensor | None = None,
        is_causal: bool = False,
        *,
        inside: Inside | None = None,
    ) -> Tensor:
        """(B, M', D) tokens of (B, M, D) tokens; M' = M where no stage acts."""
        if inside is None:
            return super().forward(x, **mask_arguments(attn_mask, is_causal))
        inside.x, inside.norm = x, self.norm1
        attended = self.drop_path1(self.ls1(self.attn(self.norm1(x), attn_mask=attn_mask, inside=inside)))
        x = attended + (inside.x if inside.rows is None else gather_tokens(inside.x, inside.rows))
        if inside.before_mlp is not None:
            x = inside.before_mlp(x)
        return x + self.drop_path2(self.ls2(self.mlp(self.norm2(x))))


class BlockSequence(nn.Sequential):
    """timm's `blocks`, each of which is run by a function of the model's forward pass."""

    def forward(self, x: Tensor, run: Callable[[int, nn.Module, Tensor], Tensor] | None = None) -> Tensor:
        """Tokens after the last block. Without `run` the blocks are timm's, and no stage acts."""
        for index, block in enumerate(self):
            x = block(x) if run is None else run(index, block, x)
        return x


class MaskArguments(TypedDict, total=False):
    """Arguments of timm's forward methods that mask attention."""

    attn_mask: Tensor
    is_causal: bool


def mask_arguments(attn_mask: Tensor | None, is_causal: bool) -> MaskArguments:
    """The arguments that differ from their defaults: older releases of timm do not have all of them."""
    arguments: MaskArguments = {}
    if attn_mask is not None:
        arguments["attn_mask"] = attn_mask
    if is_causal:
        arguments["is_causal"] = True
    return arguments
