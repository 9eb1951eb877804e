"""DynamicViT while training: its mask, and its ratio loss, against their formulas."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import tokred
from tests.small_models import images, small_vit
from tokred.methods.attention import BlockAttention


@torch.no_grad()
def test_dynamicvit_masks_keys_while_training() -> None:
    """The formula for one head at a time, with decisions of 0 and 1, and the loss of the last pass."""
    torch.manual_seed(5)
    vit = small_vit()
    layer, x = vit.blocks[0].attn, torch.randn(2, 11, 24)
    policy = (torch.rand(2, 10) < 0.5).float()
    view = BlockAttention(layer, x, None, policy, num_prefix=1)
    found = view.output()
    some = torch.tensor([[0, 3], [7, 7]])
    torch.testing.assert_close(view.output(some), torch.stack([found[0, [0, 3]], found[1, [7, 7]]]))
    q, k, v = layer.qkv(x).reshape(2, 11, 3, 3, 8).permute(2, 0, 3, 1, 4)
    expected = torch.zeros(2, 11, 24)
    for image, head, query in itertools.product(range(2), range(3), range(11)):
        logits = [float(q[image, head, query] @ k[image, head, key]) / 8**0.5 for key in range(11)]
        alive = [key == 0 or key == query or policy[image, key - 1] == 1 for key in range(11)]
        terms = [np.exp(logit - max(logits)) * keep for logit, keep in zip(logits, alive, strict=True)]
        weights = [(term + 1e-6 / 11) / (sum(terms) + 1e-6) for term in terms]
        expected[image, query, 8 * head : 8 * head + 8] = sum(
            weight * v[image, head, key] for key, weight in enumerate(weights)
        )
    torch.testing.assert_close(found, layer.proj(expected), atol=1e-5, rtol=1e-4)


def test_dynamicvit_ratio_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """2 * mean over stages and images of (mean decision - r**s)**2, decisions multiplied over stages."""
    model = tokred.reduce(small_vit(), "dynamicvit", 0.7).train()
    drawn, sample = [], F.gumbel_softmax

    def recording(*args: object, **kwargs: object) -> Tensor:
        drawn.append(sample(*args, **kwargs))
        return drawn[-1]

    monkeypatch.setattr(F, "gumbel_softmax", recording)
    model(images())
    alive, terms = torch.ones(4, 64), []
    for index, decision in enumerate(drawn, 1):
        alive = alive * decision[..., 0].detach()
        terms += [(float(image.mean()) - 0.7**index) ** 2 for image in alive]
    assert len(drawn) == 3
    assert model.extra_loss.item() == pytest.approx(2 * np.mean(terms), rel=1e-5)
    model.extra_loss.backward()
    assert model.reducers[0].local[1].weight.grad.abs().sum() > 0
