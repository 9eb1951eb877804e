"""Properties of backbones against slow formulations."""

from __future__ import annotations

import itertools
from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.training.vits import randomize, tiny_vit
from tokred.evaluation import properties
from tokred.models.observation import observed


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape)  # reseeded before each test


def slow_auc(scores: list[float], positive: list[bool]) -> float:
    """The share of pairs of a positive and another score in which the positive one is larger."""
    pairs = list(
        itertools.product(*([s for s, p in zip(scores, positive, strict=True) if p == w] for w in (1, 0)))
    )
    return float(np.mean([1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs]))


def test_auc() -> None:
    scores = draw(5, 16).mul(2).round()  # with ties
    positive = draw(5, 16) > 0.3
    found = properties.auc(scores, positive)
    expected = [slow_auc(s, p) for s, p in zip(scores.tolist(), positive.tolist(), strict=True)]
    assert len(set(expected)) == 5
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_effective_rank() -> None:
    corners = torch.eye(4, 6)  # of a regular tetrahedron: equal variance in three directions
    line = torch.arange(1.0, 6.0)[:, None] * torch.tensor([1.0, 2.0, 2.0])
    np.testing.assert_allclose(properties.effective_rank(3 + corners[None]), [3], atol=1e-5)
    np.testing.assert_allclose(properties.effective_rank(3 + line[None]), [1], atol=1e-3)


def slow_cosine(keys: Tensor) -> list[float]:
    return [
        max(float(torch.dot(a, b) / (a.norm() * b.norm())) for j, b in enumerate(keys) if j != i)
        for i, a in enumerate(keys)
    ]


def slow_distance(tokens: Tensor) -> list[float]:
    others = [
        [float(((a - b) ** 2).mean()) for j, b in enumerate(tokens) if j != i] for i, a in enumerate(tokens)
    ]
    return [float(np.mean(sorted(distances)[:5])) for distances in others]


def slow_offset(keys: Tensor) -> float:
    flat = keys.flatten(0, 1).numpy()
    mean = flat.mean(axis=0)
    return float(np.linalg.norm(mean) / np.sqrt(np.mean(np.sum((flat - mean) ** 2, axis=1))))


def test_against_slow_formulations() -> None:
    vit = tiny_vit(4).eval()
    randomize(vit)
    vit.double()
    inputs, shown = draw(7, 3, 16, 16).double(), draw(7, 16) > 0.5
    shown[2], shown[5] = False, True  # neither tells objects from the rest
    batches = zip(inputs.split(3), shown.split(3), strict=True)
    found = properties.measure(vit, batches, blocks=(0, 2))

    usable = [0, 1, 3, 4, 6]
    inputs, shown = inputs[usable], shown[usable]
    with torch.no_grad(), observed(vit, (0, 2)) as seen:
        vit(inputs)
    assert list(found) == [0, 2]
    for index, block in seen.items():
        keys = {"key": block.keys.transpose(1, 2).flatten(2), "mean_key": block.keys.mean(dim=1)}
        aucs = [slow_auc(s, p) for s, p in zip(block.cls_attention.tolist(), shown.tolist(), strict=True)]
        expected = {"attention_auc": np.mean(aucs)}
        for name, values in keys.items():
            expected[f"{name}_cosine"] = np.mean(
                torch.tensor([slow_cosine(image) for image in values])[shown].numpy()
            )
            expected[f"{name}_offset"] = slow_offset(values)
        expected["squared_distance"] = np.mean(
            torch.tensor([slow_distance(t) for t in block.tokens])[shown].numpy()
        )
        ranks = []
        for tokens in block.tokens.numpy():
            values = np.linalg.eigvalsh(np.cov(tokens.T))[::-1][:15]  # of 16 tokens
            share = values / values.sum()
            ranks.append(np.exp(-(share * np.log(share)).sum()))
        expected["effective_rank"] = np.mean(ranks)
        assert asdict(found[index]) == pytest.approx(expected, rel=1e-5)


def test_observations_are_those_of_the_layers() -> None:
    """The attention of the CLS token, from an attention layer that forms all scores."""
    vit = tiny_vit(2, reg_tokens=1, qk_norm=True, norm_layer=torch.nn.LayerNorm).eval()
    randomize(vit)
    inputs, weights, tokens = draw(2, 3, 16, 16), [], []
    block = vit.blocks[1]
    block.attn.fused_attn = False
    handles = [
        block.attn.attn_drop.register_forward_hook(lambda module, given, output: weights.append(output)),
        block.register_forward_hook(lambda module, given, output: tokens.append(given[0])),
    ]
    with torch.no_grad(), observed(vit, [1]) as seen:
        vit(inputs)
    torch.testing.assert_close(seen[1].cls_attention, weights[0][:, :, 0, 2:].mean(dim=1))
    assert torch.equal(seen[1].tokens, tokens[0][:, 2:])
    assert seen[1].keys.shape == (2, 2, 16, 8)
    for handle in handles:
        handle.remove()
    assert not block._forward_pre_hooks
    assert not block.attn.qkv._forward_hooks


def test_images_without_objects() -> None:
    batches = [(draw(2, 3, 16, 16), torch.tensor([[True] * 16, [False] * 16]))]
    with pytest.raises(ValueError, match="no image has both object tokens and others"):
        properties.measure(tiny_vit().eval(), batches, blocks=(0,))
