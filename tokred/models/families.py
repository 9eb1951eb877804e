"""timm's other isotropic Vision Transformers as reduced models: rotary and relative position embeddings,
NaFlex.

Where attention depends on the tokens' positions, every token that is left has a position on the input grid
(`tokred.models.slots`), by which its rotation, or its rows and columns of the bias table, are gathered.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from timm.layers import RelPosBias, to_2tuple
from timm.models.beit import Attention, Beit
from timm.models.eva import Eva
from timm.models.naflexvit import NaFlexVit
from timm.models.vision_transformer_relpos import RelPosAttention, VisionTransformerRelPos
from torch import Tensor, nn

from tokred.models.forward_state import ForwardState
from tokred.models.reduced import ReducedModel


class _Rotary(ReducedModel):
    """Blocks with a rotary position embedding."""

    @property
    def needs_positions(self) -> bool:
        return self.rope is not None

    def _block_arguments(self, state: ForwardState, index: int, x: Tensor) -> dict[str, Any]:
        arguments = super()._block_arguments(state, index, x)
        return arguments if state.rope is None else arguments | {"rope": self._rope(state, state.rope, index)}

    def _rope(self, state: ForwardState, rope: Tensor, index: int) -> Tensor:
        """The embedding of the current tokens in a block: timm's (P, 2 d), or (B, 1, N, 2 d)."""
        mixed = rope.ndim == 4  # (blocks, H, P, 2 d): frequencies of every block and head
        table = rope[index] if mixed else rope
        if state.slots is None or state.slots.whole:
            return table
        if state.gathered is None:
            position = state.slots.position
            gathered = table[:, position].transpose(0, 1) if mixed else table[position].unsqueeze(1)
            if mixed:
                return gathered
            state.gathered = gathered
        return state.gathered


class ReducedEva(_Rotary, Eva):  # type: ignore[misc]
    """A `timm.models.eva.Eva` (EVA-02, Perception Encoder, DINOv3, ...) that reduces its tokens."""

    def _embed(self, x: Tensor, state: ForwardState) -> Tensor:
        x, state.rope = self._pos_embed(self.patch_embed(x))
        return self.norm_pre(x)

    @property
    def _pools_prefix(self) -> bool:
        return self.attn_pool is not None  # as timm does


class _MeanOrToken(ReducedModel):
    """A classifier that has no pooling method in timm."""

    @property
    def _pools_prefix(self) -> bool:
        return False

    def _unweighted_pool(self, x: Tensor, pool_type: str | None = None) -> Tensor:
        pool_type = self.global_pool if pool_type is None else pool_type
        if not pool_type:
            return x
        return self._spatial(x).mean(dim=1) if pool_type == "avg" else x[:, 0]

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Logits of normalized tokens, as in timm; tokens of different weights are pooled by these."""
        return _head(self, x, pre_logits)


class _RelativeBias(_MeanOrToken):
    """Attention with a relative position bias. timm's blocks take no other bias."""

    own_attention = True

    @property
    def needs_positions(self) -> bool:
        return True

    def _block_arguments(self, state: ForwardState, index: int, x: Tensor) -> dict[str, Any]:
        attn = cast("nn.Module", self.blocks[index].attn)
        bias, relative = self._bias(state, x), self._relative_bias(state, attn)
        if relative is not None:
            relative = relative.to(x.dtype)
            bias = relative if bias is None else bias + relative
        return {"attn_mask": bias}

    def _relative_bias(self, state: ForwardState, attn: nn.Module) -> Tensor | None:
        """(B, H, M, M) bias of the current tokens in a layer; B = 1 as long as they are the whole grid."""
        table = self._bias_of(attn, state.shared_bias)
        if table is None or state.slots is None or state.slots.whole:
            return table
        shared = table is state.shared_bias
        if shared and state.gathered is not None:
            return state.gathered
        prefix = torch.arange(self.num_prefix_tokens, device=table.device)
        spatial = state.slots.position + self.num_prefix_tokens
        index = torch.cat([prefix.expand(spatial.shape[0], -1), spatial], dim=1)
        gathered = table[0][:, index.unsqueeze(2), index.unsqueeze(1)].transpose(0, 1)
        state.gathered = gathered if shared else None
        return gathered

    def _bias_of(self, attn: nn.Module, shared: Tensor | None) -> Tensor | None:
        """(1, H, M, M) bias of a layer for the tokens of the input grid."""
        raise NotImplementedError


class ReducedBeit(_RelativeBias, Beit):  # type: ignore[misc]
    """A `timm.models.beit.Beit` that reduces its tokens."""

    def _embed(self, x: Tensor, state: ForwardState) -> Tensor:
        x = self.patch_embed(x)
        cls_token = cast("Tensor", self.cls_token)
        x = torch.cat((cls_token.expand(x.shape[0], -1, -1), x), dim=1)
        if self.pos_embed is not None:
            x = x + self.pos_embed
        if self.rel_pos_bias is not None:
            state.shared_bias = self.rel_pos_bias().unsqueeze(0)
        return self.pos_drop(x)

    def _bias_of(self, attn: nn.Module, shared: Tensor | None) -> Tensor | None:
        layer = cast("Attention", attn)
        if layer.relative_position_bias_table is None:
            return shared
        own: Tensor = layer._get_rel_pos_bias()
        return own if shared is None else own + shared


class ReducedVisionTransformerRelPos(_RelativeBias, VisionTransformerRelPos):  # type: ignore[misc]
    """A `timm.models.vision_transformer_relpos.VisionTransformerRelPos` that reduces its tokens."""

    def _embed(self, x: Tensor, state: ForwardState) -> Tensor:
        x = self.patch_embed(x)
        if self.cls_token is not None:
            x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), dim=1)
        if self.shared_rel_pos is not None:
            state.shared_bias = cast("RelPosBias", self.shared_rel_pos).get_bias()
        return x

    def _bias_of(self, attn: nn.Module, shared: Tensor | None) -> Tensor | None:
        own = cast("RelPosAttention", attn).rel_pos
        return shared if own is None else cast("RelPosBias", own).get_bias()


class ReducedNaFlexVit(_Rotary, NaFlexVit):  # type: ignore[misc]
    """A `timm.models.naflexvit.NaFlexVit` that reduces its tokens: of images of one size at a time.

    The size is that of timm's configuration of the model at first, and then that of `set_input_size`. Patches
    of images of several sizes, which the unreduced model takes, have no common number of tokens to leave.
    """

    image_size: tuple[int, int]

    @property
    def _grid(self) -> tuple[int, int]:
        rows, columns = self.embeds.dynamic_feat_size(self.image_size)
        return rows, columns

    def _image_grid(self, x: Tensor) -> tuple[int, int]:
        rows, columns = self.embeds.dynamic_feat_size((x.shape[2], x.shape[3]))
        return rows, columns

    def _embed(self, x: Tensor, state: ForwardState) -> Tensor:
        embedded = self._forward_embeds(x, patch_coord=None, patch_valid=None, attn_mask=None)
        state.rope = embedded["rope_embeds"]
        return embedded["patches"]

    def forward(self, x: Any, *args: Any, **kwargs: Any) -> Tensor:
        """(B, num_classes) logits of (B, 3, height, width) images."""
        if not self.reducers:
            return NaFlexVit.forward(self, x, *args, **kwargs)
        return super().forward(_only_images(x, *args, **kwargs))

    def forward_features(self, *args: Any, **kwargs: Any) -> Any:
        """(B, prefix + K, D) normalized tokens of images after all blocks; padding is 0."""
        if not self.reducers:
            return NaFlexVit.forward_features(self, *args, **kwargs)
        return super().forward_features(_only_images(*args, **kwargs))

    def forward_intermediates(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Tokens after some blocks, see `ReducedModel.forward_intermediates`."""
        if not self.reducers:
            return NaFlexVit.forward_intermediates(self, x, *args, **kwargs)
        return super().forward_intermediates(_only_images(x), *args, **kwargs)

    def forward_head(self, *args: Any, **kwargs: Any) -> Tensor:
        """Logits of normalized tokens, as in timm; tokens of different weights are pooled by these."""
        if not self.reducers:
            return NaFlexVit.forward_head(self, *args, **kwargs)
        return _head(self, *args, **kwargs)

    def set_input_size(
        self,
        img_size: int | tuple[int, int] | None = None,
        patch_size: int | tuple[int, int] | None = None,
    ) -> None:
        """Expect images of another size; the stages' token budgets follow. The patches keep their size."""
        if patch_size is not None:
            raise ValueError(f"patch_size {patch_size!r}: the patches of a NaFlexVit keep their size")
        size = self.image_size if img_size is None else to_2tuple(img_size)
        rows, columns = self.embeds.dynamic_feat_size(size)
        change = self._prepare(self.make_stages((rows, columns)), "reduce a ViT of the new size")
        self.image_size = size
        change()

    def _unweighted_pool(self, x: Tensor, pool_type: str | None = None) -> Tensor:
        return self._pool(x, pool_type)


def _head(model: ReducedModel, patches: Tensor, pre_logits: bool = False) -> Tensor:
    """Logits of normalized tokens, pooled by their weights."""
    pooled = model.head_drop(model.fc_norm(model.pool(patches)))
    return pooled if pre_logits else model.head(pooled)


def _only_images(x: object, *others: object, **named: object) -> Tensor:
    """(B, 3, height, width) images; ValueError for patches of images of several sizes, and for a mask."""
    if isinstance(x, Tensor) and x.ndim == 4 and not any(v is not None for v in (*others, *named.values())):
        return x
    raise ValueError(
        "a reduced NaFlexVit takes (B, 3, height, width) images of one size, without a mask: patches of "
        "images of different sizes have no common number of tokens to leave"
    )
