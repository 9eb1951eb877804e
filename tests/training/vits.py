"""Tiny Vision Transformers."""

from __future__ import annotations

import torch
from timm.models.vision_transformer import VisionTransformer


def tiny_vit(depth: int = 4, *, seed: int = 0, **kwargs: object) -> VisionTransformer:
    """A ViT of 16 tokens of width 16."""
    torch.manual_seed(seed)
    settings = {"img_size": 16, "patch_size": 4, "embed_dim": 16, "num_heads": 2, "num_classes": 5}
    return VisionTransformer(depth=depth, **{**settings, **kwargs})


def randomize(module: torch.nn.Module, seed: int = 1) -> None:
    """No parameter stays at an initial value that hides something, such as zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
