"""Sizes of timm's Vision Transformers, read from their layers; see `tokred.schedules.macs.Shape`.

Like `tokred.schedules.macs`, this module does not import torch.
"""

from __future__ import annotations

from typing import Any


def sizes(vit: Any) -> dict[str, Any]:
    """The attributes of a model's `Shape`."""
    rows, columns = grid_of(vit)
    embed = vit.embeds if hasattr(vit, "embeds") else vit.patch_embed
    weight, block = getattr(embed.proj, "weight", None), vit.blocks[0]
    pool: Any = getattr(vit, "attn_pool", None)
    num_heads = 2 if hasattr(vit, "head_dist") else 1  # DeiT's distilled models have two classifiers
    pools = hasattr(pool, "kv")
    pools_prefix = getattr(vit, "pool_include_prefix", True)  # Eva has no such setting and pools all tokens
    return {
        "num_tokens": rows * columns,
        "num_prefix": vit.num_prefix_tokens,
        "patch_dim": 0 if weight is None else weight.numel() // weight.shape[0],  # features need none
        "embed_dim": vit.embed_dim,
        "depth": len(vit.blocks),
        "num_classes": num_heads * vit.num_classes,
        "side_by_side": hasattr(block, "in_split"),
        "pool_dim": pool.mlp.fc1.out_features if pools else 0,
        "pool_prefix": vit.num_prefix_tokens if pools and pools_prefix else 0,
        **_mlp(block),
        **_attention(list(vit.blocks), vit.embed_dim),
    }


def grid_of(vit: Any) -> tuple[int, int]:
    """(rows, columns) of the tokens of an image, of the size that the model expects."""
    if hasattr(vit, "patch_embed"):
        rows, columns = vit.patch_embed.grid_size
    else:
        rows, columns = vit.embeds.dynamic_feat_size(image_size_of(vit))
    return rows, columns


def image_size_of(vit: Any) -> tuple[int, int]:
    """(height, width) that a NaFlexVit expects.

    Its own if it is reduced, or that it was made for, or timm's for it, or that of its position table.
    """
    embeds, own = vit.embeds, vars(vit)
    configured = (getattr(vit, "pretrained_cfg", None) or {}).get("input_size")
    size = own.get("image_size") or own.get("_traits", {}).get("img_size") or embeds.default_img_size
    if size is None and configured is not None:
        size = configured[1:]
    if size is None and embeds.pos_embed_grid_size is not None:
        size = [n * patch for n, patch in zip(embeds.pos_embed_grid_size, embeds.patch_size, strict=True)]
    height, width = size or (224, 224)
    return height, width


def _mlp(block: Any) -> dict[str, Any]:
    """Hidden width of a block's MLPs together, and whether they have gates."""
    if hasattr(block, "in_split"):
        return {"mlp_dim": block.in_split[0]}
    mlps = [ffn.mlp for ffn in block.ffns] if hasattr(block, "ffns") else [block.mlp]
    hidden = mlps[0].fc2.in_features
    gated = not hasattr(mlps[0], "fc1") or mlps[0].fc1.out_features == 2 * hidden
    return {"mlp_dim": len(mlps) * hidden, "gated_mlp": gated}


def _attention(blocks: list[Any], dim: int) -> dict[str, Any]:
    """Widths of a model's attention, where they differ from those of one plain layer."""
    block = blocks[0]
    layers = (
        [branch.attn for branch in block.attns]
        if hasattr(block, "attns")
        else [getattr(block, "attn", block)]
    )
    layer, found = layers[0], {}
    queries = len(layers) * _width(layer, "q_proj")
    keys = sum(len(layers) * _width(getattr(each, "attn", layer), "k_proj") for each in blocks) // len(blocks)
    if queries != dim:
        found["attn_dim"] = queries
    if keys != queries:
        found["kv_dim"] = keys  # the mean of the blocks, which may differ in their groups
    if hasattr(layer, "sub_norm"):  # differential attention
        found["value_maps"] = 2
    if getattr(layer, "gate", None) is not None:
        found["gated_attention"] = True
    return found


def _width(layer: Any, projection: str) -> int:
    """Width of all heads of a layer's queries or keys."""
    if hasattr(layer, "in_split"):
        return int(layer.in_split[1])
    if layer.qkv is not None:
        return _outputs(layer.qkv) // 3
    return _outputs(getattr(layer, projection))


def _outputs(layer: Any) -> int:
    """Number of outputs of a linear layer, or of an adapter of one, which may have its weight alone."""
    return int(layer.out_features if hasattr(layer, "out_features") else layer.weight.shape[0])
