"""Plain implementations: explicit attention, masks in place of removal, loops over clusters."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from tokred.methods.base import Context, Reduction, rank_descending
from tokred.methods.kmedoids import KMedoids
from tokred.vit import ReducedVisionTransformer


def explicit(model: VisionTransformer, images: Tensor) -> Tensor:
    """Logits with softmax attention formed explicitly in every block."""
    with sdpa_kernel(SDPBackend.MATH):
        return model(images)


def masked(
    vit: VisionTransformer, images: Tensor, kept: Sequence[Tensor], locations: Sequence[int]
) -> Tensor:
    """Logits of a ViT in which dropped tokens stay, but are seen by none.

    Args:
        vit: unreduced.
        kept: (P,) booleans of each stage, the same tokens for all images.
        locations: block from which on each stage holds.
    """
    x = vit.norm_pre(vit._pos_embed(vit.patch_embed(images)))
    bias = None
    with sdpa_kernel(SDPBackend.MATH):
        for index, block in enumerate(vit.blocks):
            if index in locations:
                prefix = torch.ones(vit.num_prefix_tokens, dtype=torch.bool)
                seen = torch.cat([prefix, kept[list(locations).index(index)]])
                bias = torch.zeros(len(seen)).masked_fill(~seen, -torch.inf)[None, None, None]
            x = block(x, attn_mask=bias)
    return vit.forward_head(vit.norm(x))


class LoopingKMedoids(KMedoids):
    """K-Medoids with a loop over images and clusters."""

    @torch.no_grad()
    def forward(self, x: Tensor, context: Context) -> Reduction:
        """As `KMedoids` with the published update."""
        weight = context.attn.received()
        distance = torch.cdist(x.float(), x.float(), compute_mode="donot_use_mm_for_euclid_dist")
        medoids = rank_descending(weight)[:, : self.stage.budget].clone()
        total = weight * distance.sum(dim=2)
        for _ in range(self.options.iterations):
            for image in range(len(x)):
                assign = distance[image][medoids[image]].argmin(dim=0)
                for slot in range(self.stage.budget):
                    members = (assign == slot).nonzero()[:, 0]
                    if len(members):
                        medoids[image, slot] = members[total[image, members].argmin()]
        rows = medoids.unsqueeze(-1).expand(-1, -1, x.shape[1])
        return Reduction(anchor=medoids, assign=distance.gather(1, rows).argmin(dim=1))


def looping(model: ReducedVisionTransformer) -> ReducedVisionTransformer:
    """A model reduced by K-Medoids whose stages loop; it shares all weights."""
    for reducer in model.reducers:
        reducer.__class__ = LoopingKMedoids
    return model
