"""Properties of a backbone whose classifier knows the digits, on the first pictures of the test split."""

from __future__ import annotations

from dataclasses import asdict

import torch
from timm.models.vision_transformer import VisionTransformer

from tokred.data.fresh_pictures import pictures
from tokred.data.in_memory import normalize
from tokred.evaluation.scores import share_error, top1
from tokred.models.properties import measure
from tokred.statistics.intervals import NORMAL
from tokred.study import Backbone

#: Pictures of the test split that are looked at.
IMAGES = 2000
_BATCH = 100


@torch.no_grad()
def measure_on_digits(
    vit: VisionTransformer, backbone: Backbone, images: int | None = None
) -> dict[str, object]:
    """Properties of an unreduced ViT in evaluation mode, JSON-like.

    Args:
        images: how many pictures of the test split are looked at, `IMAGES` by default.

    Returns:
        "images"; "top1" in percent and "top1_interval", half the width of its 95 % interval; "object_share",
        the part of all tokens that show the digit; "blocks": fields of `BlockProperties` by number of block.
    """
    images = IMAGES if images is None else images
    batch = pictures("test", 0, images, backbone.grid)
    inputs = normalize(batch.pixels, backbone).split(_BATCH)
    logits = torch.cat([vit(part) for part in inputs])
    accuracy = top1(logits.numpy(), batch.labels.numpy())
    blocks = measure(vit, zip(inputs, batch.objects.split(_BATCH), strict=True))
    return {
        "images": images,
        "top1": accuracy,
        "top1_interval": NORMAL * share_error(accuracy, images),
        "object_share": float(batch.objects.float().mean()),
        "blocks": {str(index): asdict(found) for index, found in blocks.items()},
    }
