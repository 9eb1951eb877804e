"""Nearest neighbors: how well features tell classes apart that the model was not trained on.

This is how self-supervised Vision Transformers are judged (Wu et al. 2018, Caron et al. 2021): the k images
with the most similar features vote for their classes, with weights exp(cosine / 0.07).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

#: Divisor of the cosine in a neighbor's weight.
TEMPERATURE = 0.07
#: Images that are compared with all others at once.
_CHUNK = 1024


def classify(
    features: Tensor,
    labels: Tensor,
    num_classes: int,
    neighbors: int,
    queries: Tensor | None = None,
) -> Tensor:
    """The class that the nearest neighbors of each image vote for.

    Args:
        features: (N, D) features of the images that vote.
        labels: (N,) their classes.
        num_classes: number of classes.
        neighbors: number of neighbors; all images if there are fewer.
        queries: (M, D) features of other images to classify; None to classify those that vote, each by all
            others (leave one out).

    Returns:
        (M,) or (N,) classes, on the features' device.

    Raises:
        ValueError: no neighbor is there.

    >>> features = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])
    >>> classify(features, torch.tensor([0, 0, 1, 1]), 2, 1)
    tensor([0, 0, 1, 1])
    """
    count = len(features) - (queries is None)
    if count < 1:
        raise ValueError(f"nearest neighbors: expected two images or more, found {len(features)}")
    support = normalize(features.float(), dim=1)
    asked = support if queries is None else normalize(queries.float(), dim=1)
    classes = labels.to(support.device)
    votes = []
    for start in range(0, len(asked), _CHUNK):
        cosine = asked[start : start + _CHUNK] @ support.T
        if queries is None:
            own = torch.arange(len(cosine), device=cosine.device)
            cosine[own, own + start] = -torch.inf
        near, index = cosine.topk(min(neighbors, count), dim=1)
        votes.append(_winner(near, classes[index], num_classes))
    return torch.cat(votes)


def _winner(cosine: Tensor, classes: Tensor, num_classes: int) -> Tensor:
    """(B,) class with the largest sum of weights, of (B, k) neighbors."""
    weight = ((cosine - cosine[:, :1]) / TEMPERATURE).exp()  # relative to the nearest: exp could overflow
    total = weight.new_zeros(len(weight), num_classes).scatter_add_(1, classes, weight)
    return total.argmax(dim=1)
