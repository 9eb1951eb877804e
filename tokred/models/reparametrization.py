"""Changes of a ViT's weights under which its function is invariant, up to rounding.

The training loss does not depend on these degrees of freedom, but methods of token reduction do: they compare
tokens and keys by distances and cosines.

- The scale of the residual stream: every block, and the head, reads it through a LayerNorm. DPC-KNN's density
  exp(-d^2 / D) depends on squared distances, and underflows to 0 for all tokens if the stream is large.
- A vector that is added to all keys of a head: it adds the same number to all logits of a query, to which
  softmax is invariant. ToMe matches tokens by the cosine of their keys.

Both hold for pre-norm ViTs without LayerScale and without normalization of queries and keys.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from timm.layers import Attention
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn


@torch.no_grad()
def scale_residual_stream(vit: VisionTransformer, factor: float) -> None:
    """Multiply the residual stream by a factor, in place.

    Exact but for the `eps` of LayerNorm, which is added to the variance of the stream: its effect grows with
    1 / factor^2.

    Raises:
        ValueError: the ViT has LayerScale, a norm before its blocks, or a factor that is not positive.
    """
    if factor <= 0:
        raise ValueError(f"factor {factor} of the residual stream: expected a positive number")
    blocks = list(cast("Iterable[Block]", vit.blocks))
    if not isinstance(vit.norm_pre, nn.Identity) or not isinstance(blocks[0].ls1, nn.Identity):
        raise ValueError(
            "residual stream: expected a ViT without LayerScale and without a norm before its blocks"
        )
    writers = [vit.patch_embed.proj]
    writers += [layer for block in blocks for layer in (block.attn.proj, block.mlp.fc2)]
    tensors = [
        parameter for layer in writers for parameter in (layer.weight, layer.bias) if parameter is not None
    ]
    embeddings = (vit.pos_embed, vit.cls_token, vit.reg_token)
    for tensor in [*tensors, *(tensor for tensor in embeddings if tensor is not None)]:
        tensor.mul_(factor)


@torch.no_grad()
def shift_keys(attn: Attention, vector: Tensor) -> None:
    """Add a vector to all keys of an attention layer, in place.

    Args:
        vector: (H, d), for each head.

    Raises:
        ValueError: the layer normalizes its keys, or has no biases.
    """
    if not isinstance(attn.k_norm, nn.Identity) or attn.qkv.bias is None:
        raise ValueError("keys: expected an attention layer with biases and without a norm of its keys")
    width = vector.numel()
    attn.qkv.bias[width : 2 * width] += vector.flatten().to(attn.qkv.bias)
