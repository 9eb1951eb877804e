"""A deepened network computes what the shallow one did, and can go on learning."""

from __future__ import annotations

import pytest
import torch

from tests.training.vits import randomize, tiny_vit
from tokred.training.growth import deepen


@pytest.mark.parametrize(("shallow_depth", "deep_depth"), [(1, 4), (2, 6), (3, 12), (4, 4)])
def test_logits_stay(shallow_depth: int, deep_depth: int) -> None:
    shallow, deep = tiny_vit(shallow_depth), tiny_vit(deep_depth, seed=5)
    randomize(shallow)
    randomize(deep, seed=2)
    images = torch.randn(6, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    shallow.eval()
    deep.eval()
    with torch.no_grad():
        expected = shallow(images)
        assert (deep(images) - expected).abs().max() > 0.01
        deepen(shallow, deep)
        torch.testing.assert_close(deep(images), expected, atol=1e-6, rtol=0)
        torch.testing.assert_close(shallow(images), expected, atol=0, rtol=0)


def test_blocks_stand_at_even_distances() -> None:
    shallow, deep = tiny_vit(2), tiny_vit(6, seed=5)
    random = deep.blocks[1].attn.qkv.weight.detach().clone()
    deepen(shallow, deep)
    for index in range(6):
        same = torch.equal(deep.blocks[index].mlp.fc1.weight, shallow.blocks[index // 3].mlp.fc1.weight)
        assert same == (index in (0, 3))
        assert bool(deep.blocks[index].mlp.fc2.weight.any()) == (index in (0, 3))
    assert torch.equal(deep.blocks[1].attn.qkv.weight, random)


def test_new_blocks_get_gradients() -> None:
    shallow, deep = tiny_vit(1), tiny_vit(2, seed=5)
    randomize(shallow)
    deepen(shallow, deep)
    deep(torch.randn(4, 3, 16, 16)).square().sum().backward()
    for layer in (deep.blocks[1].attn.proj, deep.blocks[1].mlp.fc2):
        assert layer.weight.grad.abs().max() > 0


@pytest.mark.parametrize(("shallow_depth", "deep_depth"), [(3, 4), (4, 2), (5, 12)])
def test_depth_must_be_a_multiple(shallow_depth: int, deep_depth: int) -> None:
    message = f"cannot deepen {shallow_depth} blocks to {deep_depth}: expected a multiple"
    with pytest.raises(ValueError, match=message):
        deepen(tiny_vit(shallow_depth), tiny_vit(deep_depth))


def test_width_must_be_the_same() -> None:
    with pytest.raises(RuntimeError, match="size mismatch"):
        deepen(tiny_vit(1), tiny_vit(2, embed_dim=32))
