"""Performance measures, in percent (paper Table 1)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Name of each task's measure in the scores table.
METRIC = {"single": "top1", "multi": "map"}
#: How often the bootstrap draws the images, and how many draws it holds in memory at a time.
RESAMPLES = 200
_CHUNK = 20


class NotFiniteError(ValueError):
    """Logits are infinite or NaN: there is no largest one, and they have no order."""


def check_finite(logits: NDArray[Any]) -> None:
    """Raises NotFiniteError for (n, C) logits that are not all finite."""
    wrong = int((~np.isfinite(logits)).any(axis=1).sum())
    if wrong:
        raise NotFiniteError(f"logits of {wrong} of {len(logits)} images are infinite or NaN")


def top1(logits: NDArray[Any], labels: NDArray[Any]) -> float:
    """Percentage of images whose largest logit is at the label; (n, C) finite logits, (n,) labels."""
    check_finite(logits)
    return float(100 * (logits.argmax(axis=1) == labels).mean())


def average_precision(scores: NDArray[Any], positive: NDArray[Any]) -> float:
    """Area under precision-recall steps of one class; equal scores are one threshold.

    scikit-learn's `average_precision_score` has the same values, but takes five times as long, and its import
    longer than scoring a test split.

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


def mean_average_precision(logits: NDArray[Any], labels: NDArray[Any]) -> float:
    """Mean over classes, in percent; (n, C) logits, (n, C) multi-hot. Classes without positives are left out.

    Raises ValueError where no class has a positive image, NotFiniteError for logits that are not finite.
    """
    check_finite(logits)
    positive = labels > 0.5
    present = np.flatnonzero(positive.any(axis=0))
    if len(present) == 0:
        raise ValueError("mean average precision: no class has a positive image")
    return 100 * float(np.mean([average_precision(logits[:, c], positive[:, c]) for c in present]))


def share_error(percent: float, count: int) -> float:
    """Bootstrap standard error of a percentage of images, known without resampling."""
    share = percent / 100
    return float(100 * np.sqrt(share * (1 - share) / count))


def precision_error(logits: NDArray[Any], labels: NDArray[Any]) -> float:
    """Bootstrap standard error of mean average precision: the images are drawn `RESAMPLES` times.

    The draws are the same every time. Classes without positives are left out. (`scipy.stats.bootstrap` would
    sort the scores anew in every draw; here draws are weights of scores that are sorted once.)
    """
    rng, count = np.random.default_rng(0), len(labels)
    present = np.flatnonzero((labels > 0.5).any(axis=0))
    means = []
    for _ in range(0, RESAMPLES, _CHUNK):
        weights = rng.multinomial(count, np.full(count, 1 / count), size=_CHUNK)
        columns = [_weighted_precision(logits[:, c], labels[:, c] > 0.5, weights) for c in present]
        means.append(np.nanmean(np.stack(columns), axis=0))
    return float(100 * np.concatenate(means).std())


def _weighted_precision(scores: NDArray[Any], positive: NDArray[Any], weights: NDArray[Any]) -> NDArray[Any]:
    """(B,) average precision of one class under (B, n) image weights; NaN without a positive image."""
    order = np.argsort(-scores, kind="stable")
    last_of_ties = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    weights = weights[:, order].astype(np.float64)
    seen = weights.cumsum(axis=1)[:, last_of_ties]
    hits = (weights * positive[order]).cumsum(axis=1)[:, last_of_ties]
    precision = np.divide(hits, seen, out=np.zeros_like(hits), where=seen > 0)
    found = (np.diff(hits, prepend=0.0, axis=1) * precision).sum(axis=1)
    return np.divide(found, hits[:, -1], out=np.full(len(hits), np.nan), where=hits[:, -1] > 0)


def score(task: str, logits: NDArray[Any], labels: NDArray[Any]) -> float:
    """The measure of a task ("single" or "multi")."""
    return top1(logits, labels) if task == "single" else mean_average_precision(logits, labels)
