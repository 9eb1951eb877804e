"""Deepening a trained network without changing what it computes.

A narrow ViT of depth 12 needs many epochs on small pictures until it learns anything at all. A shallow one
needs as many, but each costs a fraction. Blocks whose last layers are zero do nothing, so a trained shallow
network can be filled up with them and goes on learning where it was (as in Net2Net, Chen et al. 2016).
"""

from __future__ import annotations

import torch
from timm.models.vision_transformer import VisionTransformer


@torch.no_grad()
def deepen(shallow: VisionTransformer, deep: VisionTransformer) -> None:
    """Give a deep ViT the function of a shallow one of the same width.

    The shallow ViT's blocks stand at even distances; the blocks between them keep their random weights,
    but their projections back into the residual stream are zero.

    Raises:
        ValueError: the deep one is not a multiple as deep.
    """
    factor, rest = divmod(len(deep.blocks), len(shallow.blocks))
    if rest:
        raise ValueError(
            f"cannot deepen {len(shallow.blocks)} blocks to {len(deep.blocks)}: expected a multiple"
        )
    others = {name: tensor for name, tensor in shallow.state_dict().items() if not name.startswith("blocks.")}
    deep.load_state_dict(others, strict=False)
    for index, block in enumerate(deep.blocks):
        if index % factor == 0:
            block.load_state_dict(shallow.blocks[index // factor].state_dict())
        else:
            for layer in (block.attn.proj, block.mlp.fc2):
                layer.weight.zero_()
                layer.bias.zero_()
