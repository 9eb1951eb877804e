"""Gives a trained ViT the scales of residual stream and keys that a real one has, and keeps its function."""

from __future__ import annotations

import torch
from timm.models.vision_transformer import Attention, VisionTransformer
from torch import Tensor

from tokred.evaluation.properties import BLOCKS, measure
from tokred.models.observation import observed
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
        key_offset: length of the mean key over the root mean square deviation from it, in each block, heads
            concatenated. None: keys stay as they are.
    """
    batches = list(zip(inputs.split(_BATCH), objects.split(_BATCH), strict=True))
    if squared_distance is not None:
        found = [block.squared_distance for block in measure(vit, batches, BLOCKS[1:]).values()]
        scale_residual_stream(vit, (squared_distance * len(found) / sum(found)) ** 0.5)
    if key_offset is not None:
        for block, keys in zip(vit.blocks, _keys(vit, inputs), strict=True):
            assert isinstance(block.attn, Attention)
            shift_keys(block.attn, _key_shift(keys, key_offset))


def _key_shift(keys: Tensor, offset: float) -> Tensor:
    """(H, d) vectors that move (n, H, d) keys so that all heads have one mean key.

    It has the direction in which keys vary least, so that what all keys have in common says nothing about
    single ones, and the length that gives the offset.
    """
    mean = keys.mean(dim=0)
    covariance = torch.einsum("nhi,nhj->ij", keys - mean, keys - mean) / len(keys)
    direction = torch.linalg.eigh(covariance).eigenvectors[:, 0]
    sign = 1 if float(direction @ mean.sum(dim=0)) >= 0 else -1
    length = offset * (float(covariance.trace()) / keys.shape[1]) ** 0.5
    return sign * length * direction - mean


@torch.no_grad()
def _keys(vit: VisionTransformer, inputs: Tensor) -> list[Tensor]:
    """(n, H, d) keys of all spatial tokens of all images, by block, in double precision."""
    found: list[list[Tensor]] = [[] for _ in vit.blocks]
    with observed(vit, range(len(vit.blocks))) as seen:
        for batch in inputs.split(_BATCH):
            vit(batch)
            for index, block in seen.items():
                found[index].append(block.keys.double().transpose(1, 2).flatten(0, 1))
    return [torch.cat(keys) for keys in found]
