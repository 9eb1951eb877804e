"""Losses by loops over images and classes."""

from __future__ import annotations

import torch
from torch import Tensor


def cross_entropy(logits: Tensor, labels: list[int], smoothing: float) -> Tensor:
    """Mean over images of the cross-entropy with smoothed labels; (B, C) logits."""
    terms = []
    for row, label in zip(logits, labels, strict=True):
        log_total = row.exp().sum().log()
        for index, logit in enumerate(row):
            share = smoothing / len(row) + (1 - smoothing) * (index == label)
            terms.append(share * (log_total - logit))
    return torch.stack(terms).sum() / len(logits)


def asymmetric(
    logits: Tensor, labels: list[set[int]], gamma_neg: float, gamma_pos: float, clip: float, images: int
) -> Tensor:
    """Mean over images of the asymmetric loss summed over classes, times a number of images.

    Args:
        logits: (B, C).
        labels: the classes of each image.
        images: of a nominal micro-batch over which the published loss is a sum.
    """
    terms = []
    for row, classes in zip(logits, labels, strict=True):
        for index, logit in enumerate(row):
            p = 1 / (1 + (-logit).exp())
            if index in classes:
                terms.append(-((1 - p) ** gamma_pos) * p.log())
            else:
                shifted = (p - clip).clamp(min=0)
                terms.append(-(shifted**gamma_neg) * (1 - shifted).log())
    return images * torch.stack(terms).sum() / len(logits)
