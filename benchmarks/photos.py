"""Patterns of real methods: a DeiT-T without training on pieces of photographs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import timm
import torch
from sklearn.datasets import load_sample_image
from torch import Tensor

import tokred
from tokred.models.trace import Trace
from tokred.models.vision_transformer import ReducedVisionTransformer

_PIXELS = 224
_BATCH = 32


def pieces(images: int) -> Tensor:
    """(images, 3, 224, 224) random pieces of two photographs, half of them mirrored, normalized."""
    rng = np.random.default_rng(0)
    photos = [load_sample_image(name) for name in ("china.jpg", "flower.jpg")]
    found = []
    for _ in range(images):
        photo = photos[rng.integers(2)]
        y, x = (int(rng.integers(0, size - _PIXELS + 1)) for size in photo.shape[:2])
        piece = photo[y : y + _PIXELS, x : x + _PIXELS]
        found.append(piece[:, :: rng.choice([-1, 1])])
    pixels = torch.tensor(np.stack(found)).permute(0, 3, 1, 2).float() / 255
    return (pixels - 0.5) / 0.25


def model(method: str, keep_rate: str) -> ReducedVisionTransformer:
    """A ViT with fixed random weights, reduced by a method."""
    torch.manual_seed(0)
    vit = timm.create_model("deit_tiny_patch16_224", pretrained=False)
    return tokred.reduce(vit, method, keep_rate=keep_rate).eval()


@torch.no_grad()
def traces(reduced: ReducedVisionTransformer, images: Tensor) -> Iterator[Trace]:
    """Traces of the images, batch by batch."""
    for batch in images.split(_BATCH):
        yield reduced.trace(batch)[1]
