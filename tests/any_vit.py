"""Small models of every class, block and attention layer of timm that can be reduced; tests share them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from timm.layers import SwiGLU
from timm.models.beit import Beit
from timm.models.deit import VisionTransformerDistilled
from timm.models.eva import Eva
from timm.models.naflexvit import NaFlexVit
from timm.models.vision_transformer import (
    DiffParallelScalingBlock,
    ParallelScalingBlock,
    ParallelThingsBlock,
    ResPostBlock,
    VisionTransformer,
)
from timm.models.vision_transformer_relpos import ResPostRelPosBlock, VisionTransformerRelPos
from torch import Tensor, nn

from tokred.methods.attention import BlockAttention, MergedAttention
from tokred.methods.base import Context, Reducer, Reduction

#: 64 tokens in an oblong grid of 4 x 16; 4 blocks.
SIZE = (16, 64)
DEPTH = 4
_SHAPE = {"patch_size": 4, "embed_dim": 32, "depth": DEPTH, "num_heads": 2, "num_classes": 5}


def _of(kind: Callable[..., nn.Module], **changes: object) -> Callable[[], nn.Module]:
    size = {"pos_embed_grid_size": (4, 16)} if kind is NaFlexVit else {}
    return partial(kind, img_size=SIZE, **_SHAPE, **size, **changes)


_rope = {"use_rot_pos_emb": True}
_scaled = {"init_values": 0.5}
_MODELS = {
    "plain": _of(VisionTransformer),
    "mean": _of(VisionTransformer, class_token=False, global_pool="avg"),
    "attention pooling": _of(VisionTransformer, class_token=False, global_pool="map"),
    "registers": _of(VisionTransformer, class_token=False, reg_tokens=2, global_pool="avg"),
    "norms after": _of(VisionTransformer, block_fn=ResPostBlock, **_scaled),
    "side by side": _of(VisionTransformer, block_fn=ParallelScalingBlock, qkv_bias=False, **_scaled),
    "side by side, one projection": _of(
        VisionTransformer, block_fn=partial(ParallelScalingBlock, fuse_out_proj=True), qk_norm=True
    ),
    "side by side, differential": _of(VisionTransformer, block_fn=DiffParallelScalingBlock),
    "several layers": _of(VisionTransformer, block_fn=ParallelThingsBlock, **_scaled),
    "differential": _of(VisionTransformer, attn_layer="diff", class_token=False, global_pool="avg"),
    "gated MLP": _of(VisionTransformer, mlp_layer=SwiGLU),
    "distilled": _of(VisionTransformerDistilled),
    "eva02": _of(
        Eva, **_rope, **_scaled, swiglu_mlp=True, scale_mlp=True, qkv_fused=False, global_pool="token"
    ),
    "eva02, small": _of(Eva, **_rope, swiglu_mlp=True),
    "rope, mixed": _of(Eva, **_rope, rope_type="mixed", attn_type="rope", global_pool="token"),
    "dinov3": _of(
        Eva,
        **_rope,
        rope_type="dinov3",
        rope_rotate_half=True,
        num_reg_tokens=4,
        use_abs_pos_emb=False,
        **_scaled,
    ),
    "perception": _of(Eva, **_rope, attn_type="rope", global_pool="map", use_pre_transformer_norm=True),
    "grouped keys": _of(Eva, **_rope, attn_type="rope", num_kv_heads=1, qkv_fused=False, qk_norm=True),
    "no rope, norms after": _of(Eva, use_post_norm=True, global_pool="token"),
    "rope without CLS": _of(Eva, **_rope, class_token=False, num_reg_tokens=1),
    "beit": _of(Beit, use_rel_pos_bias=True, use_abs_pos_emb=False, **_scaled),
    "beit, shared": _of(Beit, use_shared_rel_pos_bias=True, global_pool="token", **_scaled),
    "relpos": _of(VisionTransformerRelPos, **_scaled),
    "relpos, table and CLS": _of(
        VisionTransformerRelPos, rel_pos_type="bias", class_token=True, global_pool="token", **_scaled
    ),
    "relpos, shared": _of(VisionTransformerRelPos, shared_rel_pos=True, qk_norm=True, **_scaled),
    "relpos, norms after": _of(VisionTransformerRelPos, block_fn=ResPostRelPosBlock, **_scaled),
    "naflex": _of(NaFlexVit),
    "naflex, registers": _of(NaFlexVit, class_token=True, reg_tokens=3, global_pool="token"),
    "naflex, rope and gate": _of(NaFlexVit, rope_type="axial", attn_gated=True, global_pool="avg"),
}
NAMES = list(_MODELS)


def any_vit(name: str) -> nn.Module:
    """The model of that name, with weights that are far from zero, always the same."""
    torch.manual_seed(0)
    vit = _MODELS[name]()
    with torch.no_grad():
        for parameter in vit.parameters():
            parameter.add_(0.15 * torch.randn_like(parameter))
    return vit.eval()


class Reusing(Reducer):
    """Merges nothing, and returns the block's attention for its output."""

    def forward(self, x: Tensor, context: Context) -> Reduction:
        every = torch.arange(x.shape[1]).expand(x.shape[0], -1)
        probabilities = context.attention.all_probabilities()
        alone = torch.arange(probabilities.shape[2]).expand(x.shape[0], -1)
        attention = MergedAttention(probabilities, alone, torch.ones_like(probabilities[:, 0, 0]))
        return Reduction(tokens=x, anchor=every, attention=attention)


class Attending(Reducer):
    """Keeps all tokens of a block, whose attention it computes."""

    def attend(self, attention: BlockAttention) -> Tensor:
        return attention.all_probabilities()

    def forward(self, x: Tensor, context: Context) -> Reduction:
        return Reduction()


def pictures(count: int = 2) -> torch.Tensor:
    """Random images, always the same."""
    return torch.randn(count, 3, *SIZE, generator=torch.Generator().manual_seed(1))
