"""Losses of where the object is, against slow formulations."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tokred.training.object_losses import attention_guidance_loss, token_label_loss


def test_token_labels() -> None:
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 5, 4, generator=random)
    labels, objects = torch.tensor([0, 2, 1]), torch.randn(3, 5, generator=random) > 0
    losses = []
    for image in range(3):
        for token in range(5):
            target = int(labels[image]) if objects[image, token] else 3
            exponents = np.exp(logits[image, token].double().numpy())
            losses.append(-np.log(exponents[target] / exponents.sum()))
    assert float(token_label_loss(logits, labels, objects)) == pytest.approx(np.mean(losses), rel=1e-5)


def test_attention_guidance() -> None:
    attention = torch.tensor([[0.4, 0.1, 0.2, 0.0], [0.1, 0.2, 0.3, 0.4], [0.25] * 4])
    objects = torch.tensor([[True, True, False, False], [False, False, False, True], [False] * 4])
    expected = (-(np.log(0.4) + np.log(0.1)) / 2 - np.log(0.4) + 0) / 3
    assert float(attention_guidance_loss(attention, objects)) == pytest.approx(expected, abs=1e-4)


def test_guidance_is_least_for_attention_spread_over_the_object() -> None:
    objects = torch.tensor([[True, True, True, False]])
    scores = torch.zeros(1, 4, requires_grad=True)
    for _ in range(300):
        (gradient,) = torch.autograd.grad(attention_guidance_loss(scores.softmax(dim=1), objects), scores)
        scores = (scores - gradient).detach().requires_grad_()
    found = scores.detach().softmax(dim=1)[0]
    torch.testing.assert_close(found[:3], torch.full((3,), float(found[0])))
    assert float(found[3]) < 0.01
