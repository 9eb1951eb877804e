"""Do two models predict the same of an image?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def top_labels(logits: NDArray[Any], counts: NDArray[Any]) -> NDArray[Any]:
    """The labels of largest logit of each image; of equal logits the earlier label is preferred.

    Args:
        logits: (n, C) logits.
        counts: (n,) number of labels that are chosen for each image.

    Returns:
        (n, C) booleans.

    >>> top_labels(np.array([[0.1, 0.9, 0.5], [2.0, 1.0, 1.0]]), np.array([1, 2]))
    array([[False,  True, False],
           [ True,  True, False]])
    """
    if (counts == 1).all():
        return np.arange(logits.shape[1]) == logits.argmax(axis=1)[:, None]
    order = np.argsort(-logits, axis=1, kind="stable")
    chosen = np.zeros(logits.shape, dtype=bool)
    np.put_along_axis(chosen, order, np.arange(logits.shape[1]) < counts[:, None], axis=1)
    return chosen


def label_agreement(logits_a: NDArray[Any], logits_b: NDArray[Any], counts: NDArray[Any]) -> NDArray[Any]:
    """Share of an image's k top labels that two models have in common, where k is its number of labels.

    With one label per image this says whether both models have the same top-1 prediction. Neither depends on
    a threshold, nor on whether the prediction is right.

    Args:
        logits_a, logits_b: (n, C) logits of the two models for the same images.
        counts: (n,) number of labels of each image, at least 1.

    Returns:
        (n,) values in [0, 1].

    Raises:
        ValueError: different shapes, or an image without a label.

    >>> label_agreement(np.array([[3.0, 2.0, 1.0]]), np.array([[3.0, 1.0, 2.0]]), np.array([2]))
    array([0.5])
    """
    if logits_a.shape != logits_b.shape:
        raise ValueError(f"logits of shape {logits_a.shape} and {logits_b.shape}: expected the same shape")
    if len(counts) and counts.min() < 1:
        raise ValueError(f"images with {counts.min()} labels: expected at least 1")
    both = top_labels(logits_a, counts) & top_labels(logits_b, counts)
    return both.sum(axis=1) / counts
