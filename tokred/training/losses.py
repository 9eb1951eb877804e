"""Losses (paper appendix B): cross-entropy with label smoothing, asymmetric loss for several labels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tokred.methods.tokens import at_least_float32
from tokred.settings import Training

_TINY = 1e-8


def task_loss(task: str, training: Training) -> nn.Module:
    """The loss of a data set: a function of (B, C) logits and of labels.

    It is a mean over images, so that the mean over equal micro-batches is the loss of the batch; the
    asymmetric loss is a multiple of the mean where the settings say so.

    Labels are (B,), or (B, C) shares of classes where images were mixed; multi-hot (B, C) for several labels.
    """
    if task == "single":
        return nn.CrossEntropyLoss(label_smoothing=training.label_smoothing)
    return AsymmetricLoss(training)


class AsymmetricLoss(nn.Module):
    """Asymmetric loss (Ben-Baruch et al. 2021), summed over classes and averaged over images.

    The published code sums over the images of a micro-batch, too. `Training.asl_micro_batch` gives that on
    any hardware: the mean times a nominal number of images. AdamW hardly notices the factor, but a loss of
    the method's own (DynamicViT) is added to it, and weighs less beside a sum than beside a mean.

    Binary cross-entropy times `(1 - p)**gamma_pos` for classes that are there and `p_m**gamma_neg` for those
    that are not, with p_m = max(p - clip, 0). Our own: timm's sums over images or averages over them,
    according to its version.
    """

    def __init__(self, training: Training) -> None:
        super().__init__()
        self.positive, self.negative = training.asl_gamma_pos, training.asl_gamma_neg
        self.clip = training.asl_clip
        self.images = training.asl_micro_batch or 1

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """A scalar from (B, C) logits and multi-hot labels."""
        present = at_least_float32(logits).sigmoid()
        labels = labels.to(present.dtype)
        absent = (1 - present + self.clip).clamp(max=1)
        right = present * labels + absent * (1 - labels)
        log_likelihood = right.clamp(min=_TINY).log()
        gamma = self.positive * labels + self.negative * (1 - labels)
        return -self.images * (torch.pow(1 - right, gamma) * log_likelihood).sum(dim=1).mean()
