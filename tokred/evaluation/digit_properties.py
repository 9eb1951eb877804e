"""Properties of a backbone that classifies digits, measured on the first images of the test split."""

from __future__ import annotations

from dataclasses import asdict

import torch
from timm.models.vision_transformer import VisionTransformer

from tokred.data.fresh_pictures import pictures
from tokred.data.in_memory import normalize
from tokred.evaluation.properties import measure
from tokred.evaluation.scores import proportion_std_error, top1
from tokred.settings import Backbone
from tokred.statistics.intervals import NORMAL

#: Maximum number of images for the properties of blocks.
BLOCK_IMAGES = 500
_BATCH = 100


@torch.no_grad()
def measure_on_digits(vit: VisionTransformer, backbone: Backbone, images: int) -> dict[str, object]:
    """Properties of an unreduced ViT in evaluation mode, as JSON-compatible values.

    Args:
        vit: the ViT.
        backbone: its input.
        images: number of test images, of which at most `BLOCK_IMAGES` are for the properties of blocks.

    Returns:
        "top1": accuracy in percent; "top1_interval": half the width of its 95 % confidence
        interval; "object_share": fraction of all tokens that show the digit; "blocks": fields of
        `BlockProperties`, by index of the block.
    """
    batch = pictures("test", 0, images, backbone.grid)
    inputs = normalize(batch.pixels, backbone)
    logits = torch.cat([vit(part) for part in inputs.split(_BATCH)])
    accuracy = top1(logits.numpy(), batch.labels.numpy())
    parts = zip(inputs[:BLOCK_IMAGES].split(_BATCH), batch.objects[:BLOCK_IMAGES].split(_BATCH), strict=True)
    return {
        "top1": accuracy,
        "top1_interval": NORMAL * proportion_std_error(accuracy, images),
        "object_share": float(batch.objects.float().mean()),
        "blocks": {str(index): asdict(block) for index, block in measure(vit, parts).items()},
    }
