"""timm's blocks, as modules inside which a reduction stage may act.

Their signatures and results are timm's, so that forward hooks on a block, its attention and every other part
see inputs and outputs as usual. A stage is passed in as an `Inside` record, and then a block also takes an
attention bias and a rotary position embedding, whether or not timm's block does.

A block that runs attention and MLP side by side has no place between the two: a stage that acts there acts
after the block. `REDUCED_BLOCKS` has the reduced class of every block of timm that can be reduced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypedDict

from timm.layers import Attention, AttentionRope, DiffAttention
from timm.models import beit, eva
from timm.models import vision_transformer as vit
from timm.models import vision_transformer_relpos as relpos
from torch import Tensor, nn

from tokred.methods.attention import BlockAttention
from tokred.methods.tokens import gather_tokens

#: See `Inside.merge`.
Merge = Callable[[Tensor, BlockAttention], tuple[Tensor, Callable[[nn.Module, Tensor], Tensor]]]


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
        has_cls: whether the first prefix token is CLS.
        x: the block's input, after `merge`.
        norm: applied to tokens before the attention layer.
        rows: result of `choose_rows`.
    """

    num_prefix: int
    policy: Tensor | None = None
    choose_rows: Callable[[Tensor, BlockAttention], Tensor | None] | None = None
    before_mlp: Callable[[Tensor], Tensor] | None = None
    merge: Merge | None = None
    has_cls: bool = True
    x: Tensor | None = None
    norm: nn.Module | None = None
    rows: Tensor | None = None

    def residual(self, attended: Tensor) -> Tensor:
        """The tokens after the attention, whose output is added to its input."""
        assert self.x is not None, "set by the block"
        return attended + (self.x if self.rows is None else gather_tokens(self.x, self.rows))


def attend(
    layer: nn.Module, x: Tensor, inside: Inside, attn_mask: Tensor | None = None, rope: Tensor | None = None
) -> Tensor:
    """(B, R, D) output of an attention layer for (B, M, D) normalized tokens, with the work of a stage.

    R = M but where `inside` chooses rows or merges tokens.
    """
    assert inside.x is not None, "set by the block"
    merges = inside.merge is not None
    attention = BlockAttention(
        layer, x, attn_mask, inside.policy, inside.num_prefix, not merges, rope, inside.has_cls
    )
    if inside.merge is not None:
        assert inside.norm is not None, "set by the block"
        inside.x, attend_merged = inside.merge(inside.x, attention)
        return attend_merged(layer, inside.norm(inside.x))
    if inside.choose_rows is not None:
        inside.rows = inside.choose_rows(inside.x, attention)
    return attention.output(inside.rows)


class _StageAttention(nn.Module):
    """timm's attention layer, which can compute some query rows only, and gives a stage its scores."""

    def forward(self, x: Tensor, *args: Any, inside: Inside | None = None, **kwargs: Any) -> Tensor:
        """(B, M, D) output of (B, M, D) tokens; (B, R, D) where `inside` chooses rows or merges tokens."""
        if inside is None:
            output: Tensor = super().forward(x, *args, **kwargs)
            return output
        return attend(self, x, inside, *args, **kwargs)


class ReducedAttention(_StageAttention, Attention):
    """`timm.layers.Attention`."""


class ReducedAttentionRope(_StageAttention, AttentionRope):
    """`timm.layers.AttentionRope`."""


class ReducedDiffAttention(_StageAttention, DiffAttention):
    """`timm.layers.DiffAttention`."""


class ReducedEvaAttention(_StageAttention, eva.EvaAttention):
    """`timm.models.eva.EvaAttention`."""


class ReducedBeitAttention(_StageAttention, beit.Attention):
    """`timm.models.beit.Attention`."""


class ReducedRelPosAttention(_StageAttention, relpos.RelPosAttention):
    """`timm.models.vision_transformer_relpos.RelPosAttention`."""


class _StageBlock(nn.Module):
    """timm's block with a norm before its attention and its MLP, in which a stage can reduce the tokens."""

    norm1: Any
    norm2: Any
    attn: Any
    mlp: Any
    drop_path1: Any
    drop_path2: Any

    def forward(self, x: Tensor, *args: Any, inside: Inside | None = None, **kwargs: Any) -> Tensor:
        """(B, M', D) tokens of (B, M, D) tokens; M' = M where no stage acts."""
        if inside is None:
            output: Tensor = super().forward(x, *args, **kwargs)
            return output
        inside.x, inside.norm = x, self._norm_in()
        x = inside.residual(self._attention(x, inside, kwargs))
        if inside.before_mlp is not None:
            x = inside.before_mlp(x)
        return x + self._mlp(x)

    def _norm_in(self) -> nn.Module:
        return self.norm1

    def _attention(self, x: Tensor, inside: Inside, kwargs: dict[str, Any]) -> Tensor:
        output: Tensor = self.drop_path1(_scaled(self, 1, self.attn(self.norm1(x), inside=inside, **kwargs)))
        return output

    def _mlp(self, x: Tensor) -> Tensor:
        output: Tensor = self.drop_path2(_scaled(self, 2, self.mlp(self.norm2(x))))
        return output


class _PostNormBlock(_StageBlock):
    """timm's block with a norm after its attention and its MLP."""

    def _norm_in(self) -> nn.Module:
        return nn.Identity()

    def _attention(self, x: Tensor, inside: Inside, kwargs: dict[str, Any]) -> Tensor:
        output: Tensor = self.drop_path1(self.norm1(self.attn(x, inside=inside, **kwargs)))
        return output

    def _mlp(self, x: Tensor) -> Tensor:
        output: Tensor = self.drop_path2(self.norm2(self.mlp(x)))
        return output


class _SideBySideBlock(nn.Module):
    """timm's block with attention and MLP in parallel, which share their projections."""

    ls: Any
    drop_path: Any

    def forward(self, x: Tensor, *args: Any, inside: Inside | None = None, **kwargs: Any) -> Tensor:
        """(B, M', D) tokens of (B, M, D) tokens; M' = M where no stage acts."""
        if inside is None:
            output: Tensor = super().forward(x, *args, **kwargs)
            return output
        inside.x, inside.norm = x, nn.Identity()
        x = inside.residual(self.drop_path(self.ls(attend(self, x, inside, **kwargs))))
        return x if inside.before_mlp is None else inside.before_mlp(x)


class ReducedBlock(_StageBlock, vit.Block):
    """`timm.models.vision_transformer.Block`."""


class ReducedResPostBlock(_PostNormBlock, vit.ResPostBlock):
    """`timm.models.vision_transformer.ResPostBlock`."""


class ReducedParallelScalingBlock(_SideBySideBlock, vit.ParallelScalingBlock):
    """`timm.models.vision_transformer.ParallelScalingBlock`."""


class ReducedDiffParallelScalingBlock(_SideBySideBlock, vit.DiffParallelScalingBlock):
    """`timm.models.vision_transformer.DiffParallelScalingBlock`."""


class ReducedParallelThingsBlock(_StageBlock, vit.ParallelThingsBlock):
    """`timm.models.vision_transformer.ParallelThingsBlock`: several attention layers, then several MLPs."""

    def _norm_in(self) -> nn.Module:
        return nn.Identity()

    def _attention(self, x: Tensor, inside: Inside, kwargs: dict[str, Any]) -> Tensor:
        return attend(self, x, inside, **kwargs)

    def _mlp(self, x: Tensor) -> Tensor:
        first, *others = [mlp(x) for mlp in self.ffns]
        return sum(others, first)


class ReducedEvaBlock(_StageBlock, eva.EvaBlock):
    """`timm.models.eva.EvaBlock`."""


class ReducedEvaBlockPostNorm(_PostNormBlock, eva.EvaBlockPostNorm):
    """`timm.models.eva.EvaBlockPostNorm`."""


class ReducedBeitBlock(_StageBlock, beit.Block):
    """`timm.models.beit.Block`."""


class ReducedRelPosBlock(_StageBlock, relpos.RelPosBlock):
    """`timm.models.vision_transformer_relpos.RelPosBlock`."""


class ReducedResPostRelPosBlock(_PostNormBlock, relpos.ResPostRelPosBlock):
    """`timm.models.vision_transformer_relpos.ResPostRelPosBlock`."""


def _by_base(*classes: type[nn.Module]) -> dict[type[nn.Module], type[nn.Module]]:
    """Reduced classes by the classes of timm."""
    return {reduced.__bases__[1]: reduced for reduced in classes}


#: Reduced classes of timm's attention layers.
REDUCED_ATTENTION = _by_base(
    ReducedAttention,
    ReducedAttentionRope,
    ReducedDiffAttention,
    ReducedEvaAttention,
    ReducedBeitAttention,
    ReducedRelPosAttention,
)
#: Reduced classes of timm's blocks.
REDUCED_BLOCKS = _by_base(
    ReducedBlock,
    ReducedResPostBlock,
    ReducedParallelScalingBlock,
    ReducedDiffParallelScalingBlock,
    ReducedParallelThingsBlock,
    ReducedEvaBlock,
    ReducedEvaBlockPostNorm,
    ReducedBeitBlock,
    ReducedRelPosBlock,
    ReducedResPostRelPosBlock,
)


def make_reducible(block: nn.Module) -> None:
    """Change the class of a block, and of its attention layer, to the reduced one."""
    block.__class__ = REDUCED_BLOCKS[type(block)]
    attn = getattr(block, "attn", None)  # parallel blocks have none, or several, and read these themselves
    if attn is not None:
        attn.__class__ = REDUCED_ATTENTION[type(attn)]


def _scaled(block: Any, branch: int, x: Tensor) -> Tensor:
    """The output of a block's attention (1) or MLP (2) with its layer scale, which timm keeps in two ways."""
    layer, gamma = getattr(block, f"ls{branch}", None), getattr(block, f"gamma_{branch}", None)
    if layer is not None:
        x = layer(x)
    return x if gamma is None else gamma * x


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
