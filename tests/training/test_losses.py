"""The losses are what others compute, image by image."""

from __future__ import annotations

import pytest
import torch
from timm.loss import AsymmetricLossMultiLabel

from tokred.settings import Training
from tokred.training.losses import task_loss


@pytest.mark.parametrize("settings", [{}, {"asl_clip": 0.0}, {"asl_gamma_pos": 1.0, "asl_gamma_neg": 2.0}])
def test_asymmetric_loss_is_the_mean_of_timm_s_over_images(settings: dict[str, float]) -> None:
    training = Training(**settings)
    torch.manual_seed(0)
    logits, labels = 4 * torch.randn(6, 5), (torch.rand(6, 5) < 0.4).float()
    logits[0], labels[0] = torch.tensor([90.0, -90.0, 90.0, -90.0, 0.0]), torch.tensor([1.0, 0, 0, 1, 1])
    logits.requires_grad_()
    theirs = AsymmetricLossMultiLabel(training.asl_gamma_neg, training.asl_gamma_pos, training.asl_clip)
    # One image at a time: timm's versions differ in how they put a batch together.
    expected = torch.stack([theirs(logits[i : i + 1], labels[i : i + 1]) for i in range(6)]).mean()
    found = task_loss("multi", training)(logits, labels)
    torch.testing.assert_close(found, expected)
    gradients = [torch.autograd.grad(loss, logits)[0] for loss in (found, expected)]
    torch.testing.assert_close(*gradients)
    assert gradients[0].isfinite().all()


def test_asymmetric_loss_as_a_sum_over_a_nominal_micro_batch() -> None:
    """The published sum over 256 images, averaged over micro-batches, whatever the hardware's micro-batch."""
    torch.manual_seed(0)
    logits, labels = torch.randn(512, 7), (torch.rand(512, 7) < 0.3).float()
    training = Training(asl_micro_batch=256)
    theirs = AsymmetricLossMultiLabel(training.asl_gamma_neg, training.asl_gamma_pos, training.asl_clip)
    single = torch.stack([theirs(logits[i : i + 1], labels[i : i + 1]) for i in range(512)])
    expected = (single[:256].sum() + single[256:].sum()) / 2
    loss = task_loss("multi", training)
    for size in (512, 64):
        parts = zip(logits.split(size), labels.split(size), strict=True)
        found = torch.stack([loss(*part) for part in parts]).mean()
        torch.testing.assert_close(found, expected)
    torch.testing.assert_close(task_loss("multi", Training())(logits, labels), expected / 256)


def test_a_nominal_micro_batch_leaves_cross_entropy_as_it_is() -> None:
    logits, labels = torch.randn(8, 5, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 5
    losses = [
        task_loss("single", Training(asl_micro_batch=size, label_smoothing=0.1)) for size in (256, None)
    ]
    assert torch.equal(losses[0](logits, labels), losses[1](logits, labels))


def test_loss_of_a_batch_is_the_mean_of_its_parts() -> None:
    torch.manual_seed(0)
    logits = torch.randn(8, 5)
    for task, labels in (("single", torch.arange(8) % 5), ("multi", (torch.rand(8, 5) < 0.4).float())):
        loss = task_loss(task, Training(label_smoothing=0.1))
        parts = [loss(logits[i : i + 2], labels[i : i + 2]) for i in range(0, 8, 2)]
        torch.testing.assert_close(torch.stack(parts).mean(), loss(logits, labels))


def test_shares_of_one_class_are_its_label() -> None:
    logits, labels = torch.randn(4, 5, generator=torch.Generator().manual_seed(0)), torch.arange(4)
    loss = task_loss("single", Training(label_smoothing=0.1))
    hot = torch.nn.functional.one_hot(labels, 5).float()
    torch.testing.assert_close(loss(logits, hot), loss(logits, labels))
