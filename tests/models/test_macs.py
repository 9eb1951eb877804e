"""Multiply-accumulates by formula are those that torch counts, in every component."""

from __future__ import annotations

import timm
import torch

from tokred.efficiency.counting import counted_by_module
from tokred.schedules.macs import BlockTokens, Macs, Shape, forward_macs


def meta(name: str, **options: object) -> torch.nn.Module:
    with torch.device("meta"):
        return timm.create_model(name, pretrained=False, **options).eval()


def test_components_are_those_that_torch_counts() -> None:
    vit = meta("vit_tiny_patch16_224", img_size=64, depth=2, num_classes=7, reg_tokens=3)
    images = torch.zeros(1, 3, 64, 64, device="meta")

    parts = counted_by_module(lambda: vit(images))

    def part(name: str) -> int:
        return parts[f"VisionTransformer{name}"]

    shape = Shape.of(vit)
    assert forward_macs(shape, shape.unreduced()) == Macs(
        embedding=part(".patch_embed"),
        attention=sum(part(f".blocks.{block}.attn") for block in range(2)),
        mlp=sum(part(f".blocks.{block}.mlp") for block in range(2)),
        head=part(".head"),
    )


def test_published_macs_of_deit() -> None:
    shapes = {size: Shape.of(meta(f"deit_{size}_patch16_224")) for size in ("tiny", "small", "base")}
    found = {size: round(forward_macs(s, s.unreduced()).total / 1e9, 3) for size, s in shapes.items()}
    assert found == {"tiny": 1.254, "small": 4.599, "base": 17.564}


def test_reduced_blocks_count_their_own_tokens() -> None:
    shape = Shape(num_tokens=9, num_prefix=1, patch_dim=12, embed_dim=4, mlp_dim=16, depth=1, num_classes=5)
    found = forward_macs(shape, [BlockTokens(keys=10, queries=6, mlp=3)])
    products = 10 * 3 * 16 + 2 * 6 * 10 * 4 + 6 * 16
    assert found == Macs(embedding=9 * 12 * 4, attention=products, mlp=2 * 3 * 4 * 16, head=4 * 5)
    assert found.total == 9 * 12 * 4 + products + 2 * 3 * 4 * 16 + 4 * 5
