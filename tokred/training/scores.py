"""Performance measures, in percent (paper Table 1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Name of each task's measure in the scores table.
METRIC = {"single": "top1", "multi": "map"}


def top1(logits: NDArray, labels: NDArray) -> float:
    """Percentage of images whose largest logit is at the label; (n, C) logits, (n,) labels."""
    return float(100 * (logits.argmax(axis=1) == labels).mean())


def average_precision(scores: NDArray, positive: NDArray) -> float:
    """Area under precision-recall steps of one class; equal scores are one threshold.

    Args:
        scores: (n,) scores.
        positive: (n,) booleans, at least one true.
    """
    order = np.argsort(-scores, kind="stable")
    scores, positive = scores[order], positive[order]
    last_of_ties = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    hits = positive.cumsum()[last_of_ties]
    precision = hits / (last_of_ties + 1)
    recall = hits / hits[-1]
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def mean_average_precision(logits: NDArray, labels: NDArray) -> float:
    """Mean over classes, in percent; (n, C) logits, (n, C) multi-hot. Classes without positives are left out.

    Raises ValueError where no class has a positive image.
    """
    positive = labels > 0.5
    present = np.flatnonzero(positive.any(axis=0))
    if len(present) == 0:
        raise ValueError("mean average precision: no class has a positive image")
    return 100 * float(np.mean([average_precision(logits[:, c], positive[:, c]) for c in present]))


def score(task: str, logits: NDArray, labels: NDArray) -> float:
    """The measure of a task ("single" or "multi")."""
    return top1(logits, labels) if task == "single" else mean_average_precision(logits, labels)
