"""Losses (paper appendix B): cross-entropy with label smoothing, asymmetric loss for several labels."""

from __future__ import annotations

from torch import nn

from tokred.config import Training


def task_loss(task: str, training: Training) -> nn.Module:
    """The loss of a data set: a function of (B, C) logits and of labels (B,) or multi-hot (B, C).

    The asymmetric loss (Ben-Baruch et al. 2021) is averaged over images; timm's sums over them.
    """
    if task == "single":
        return nn.CrossEntropyLoss(label_smoothing=training.label_smoothing)
    return AsymmetricLoss(training)


class AsymmetricLoss(nn.Module):
    """timm's asymmetric loss for several labels, a mean over the batch."""

    def __init__(self, training: Training) -> None:
        from timm.loss import AsymmetricLossMultiLabel

        super().__init__()
        self.summed = AsymmetricLossMultiLabel(
            gamma_neg=training.asl_gamma_neg, gamma_pos=training.asl_gamma_pos, clip=training.asl_clip
        )

    def forward(self, logits, labels):
        return self.summed(logits.float(), labels.float()) / len(logits)
