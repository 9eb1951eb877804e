"""Losses of pretraining that supervise the location of the object, in addition to its class.

Shapes: B images, N spatial tokens, C classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_TINY = 1e-6


def token_label_loss(logits: Tensor, labels: Tensor, objects: Tensor) -> Tensor:
    """Cross-entropy of every token's class (as in LV-ViT, Jiang et al. 2021), a mean over all tokens.

    Args:
        logits: (B, N, C + 1), the last class is "background".
        labels: (B,) class of the object.
        objects: (B, N) booleans: which tokens show it.
    """
    background = logits.shape[-1] - 1
    targets = torch.where(objects, labels[:, None], background)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def attention_guidance_loss(attention: Tensor, objects: Tensor) -> Tensor:
    """Cross-entropy between attention and the uniform distribution over the object's tokens.

    Averaged over images, where an image without object tokens counts as 0.

    Args:
        attention: (B, N) non-negative, with sums of at most 1.
        objects: (B, N) booleans.
    """
    log_likelihood = (attention + _TINY).log() * objects
    return -(log_likelihood.sum(dim=1) / objects.sum(dim=1).clamp(min=1)).mean()
