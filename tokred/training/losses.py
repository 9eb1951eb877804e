"""Losses (paper appendix B): cross-entropy with label smoothing, asymmetric loss for multi-label data."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tokred.methods.tokens import at_least_float32
from tokred.settings import Training

_TINY = 1e-8


def task_loss(task: str, training: Training) -> nn.Module:
    """The loss of a data set, as a function of (B, C) logits and of labels.

    It is a mean over images, so that the mean over micro-batches of equal size is the loss of the batch. The
    asymmetric loss is a multiple of this mean if `asl_micro_batch` is set.

    Labels are (B,) classes, (B, C) class probabilities of mixed images, or (B, C) multi-hot.
    """
    if task == "single":
        return nn.CrossEntropyLoss(label_smoothing=training.label_smoothing)
    return AsymmetricLoss(training)


class AsymmetricLoss(nn.Module):
    """Asymmetric loss (Ben-Baruch et al. 2021), summed over classes and averaged over images.

    The published code also sums over the images of a micro-batch. `Training.asl_micro_batch` reproduces this
    on any hardware: the mean is multiplied by a nominal number of images. AdamW is nearly invariant to the
    factor, but an auxiliary loss of the method (DynamicViT) has less weight relative to a sum than to a mean.

    Binary cross-entropy times `(1 - p)**gamma_pos` for present classes and `p_m**gamma_neg` for absent ones,
    with p_m = max(p - clip, 0). Not timm's implementation, which sums or averages over images depending on
    its version.
    """

    def __init__(self, training: Training) -> None:
        super().__init__()
        self.positive, self.negative = training.asl_gamma_pos, training.asl_gamma_neg
        self.clip = training.asl_clip
        self.images = training.asl_micro_batch or 1

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The scalar loss of (B, C) logits and multi-hot labels."""
        present = at_least_float32(logits).sigmoid()
        labels = labels.to(present.dtype)
        absent = (1 - present + self.clip).clamp(max=1)
        right = present * labels + absent * (1 - labels)
        log_likelihood = right.clamp(min=_TINY).log()
        gamma = self.positive * labels + self.negative * (1 - labels)
        return -self.images * (torch.pow(1 - right, gamma) * log_likelihood).sum(dim=1).mean()
