"""Gives a trained ViT the scales of residual stream and keys that a real one has, and keeps its function."""

from __future__ import annotations

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from tokred.models.observation import observed
from tokred.models.properties import BLOCKS, measure
from tokred.models.reparametrization import scale_residual_stream, shift_keys

_BATCH = 64


def normalize_backbone(
    vit: VisionTransformer,
    inputs: Tensor,
    objects: Tensor,
    squared_distance: float | None,
    key_offset: float | None,
) -> None:
    """Reparametrize a ViT in evaluation mode, in place (`tokred.models.reparametrization`).

    Args:
        inputs: (n, 3, height, width) images on which both are measured.
        objects: (n, N) booleans: which tokens show the object.
        squared_distance: of an object token to its five nearest tokens, over D, as the mean over the blocks
            of the stages; None: the stream stays as it is.
        key_offset: length of the mean key over the deviation from it, in each block. The mean key of each
            head keeps its direction. None: keys stay as they are.
    """
    batches = list(zip(inputs.split(_BATCH), objects.split(_BATCH), strict=True))
    if squared_distance is not None:
        found = [block.squared_distance for block in measure(vit, batches, BLOCKS[1:]).values()]
        scale_residual_stream(vit, (squared_distance * len(found) / sum(found)) ** 0.5)
    if key_offset is not None:
        offsets = measure(vit, batches, range(len(vit.blocks)))
        means = _mean_keys(vit, inputs)
        for index, block in enumerate(vit.blocks):
            shift_keys(block.attn, (key_offset / offsets[index].key_offset - 1) * means[index])


@torch.no_grad()
def _mean_keys(vit: VisionTransformer, inputs: Tensor) -> list[Tensor]:
    """(H, d) mean key of each head over all spatial tokens of all images, by block."""
    totals: dict[int, Tensor] = {}
    with observed(vit, range(len(vit.blocks))) as seen:
        for batch in inputs.split(_BATCH):
            vit(batch)
            for index, block in seen.items():
                totals[index] = totals.get(index, 0) + block.keys.double().mean(dim=2).sum(dim=0)
    return [totals[index] / len(inputs) for index in range(len(vit.blocks))]
