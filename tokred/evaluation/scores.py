"""Performance metrics, in percent (paper Table 1)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Name of each task's metric in the table of scores.
METRIC = {"single": "top1", "multi": "map"}
#: Number of bootstrap resamples, and how many of them are in memory at once.
RESAMPLES = 200
_CHUNK = 20


class NotFiniteError(ValueError):
    """Logits are infinite or NaN, so that neither a largest one nor a ranking is defined."""


def check_finite(logits: NDArray[Any]) -> None:
    """Raises NotFiniteError unless all (n, C) logits are finite."""
    num_not_finite = int((~np.isfinite(logits)).any(axis=1).sum())
    if num_not_finite:
        raise NotFiniteError(f"logits of {num_not_finite} of {len(logits)} images are infinite or NaN")


def top1(logits: NDArray[Any], labels: NDArray[Any]) -> float:
    """Percentage of images whose largest logit is at the label; (n, C) finite logits, (n,) labels."""
    check_finite(logits)
    return float(100 * (logits.argmax(axis=1) == labels).mean())


def average_precision(scores: NDArray[Any], positive: NDArray[Any]) -> float:
    """Area under the precision-recall steps of one class, with one threshold for tied scores.

    scikit-learn's `average_precision_score` has equal values but is five times slower, and importing it takes
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
    """Mean over classes with positive images, in percent; (n, C) logits, (n, C) multi-hot labels.

    Raises ValueError if no class has a positive image, NotFiniteError if logits are not finite.
    """
    check_finite(logits)
    positive = labels > 0.5
    present = np.flatnonzero(positive.any(axis=0))
    if len(present) == 0:
        raise ValueError("mean average precision: no class has a positive image")
    return 100 * float(np.mean([average_precision(logits[:, c], positive[:, c]) for c in present]))


def proportion_std_error(percent: float, count: int) -> float:
    """Standard error of a percentage of `count` images: the limit of the bootstrap, in closed form."""
    proportion = percent / 100
    return float(100 * np.sqrt(proportion * (1 - proportion) / count))


def bootstrap_map_std_error(logits: NDArray[Any], labels: NDArray[Any]) -> float:
    """Bootstrap standard error of mean average precision, over `RESAMPLES` resamples of the images.

    The resamples have a fixed seed. Classes without positives are left out. (`scipy.stats.bootstrap` would
    sort the scores in every resample; here a resample is a weighting of scores that are sorted once.)
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
    """(B,) average precision of one class under (B, n) image weights; NaN if no positive image has weight."""
    order = np.argsort(-scores, kind="stable")
    last_of_ties = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    weights = weights[:, order].astype(np.float64)
    retrieved = weights.cumsum(axis=1)[:, last_of_ties]
    hits = (weights * positive[order]).cumsum(axis=1)[:, last_of_ties]
    precision = np.divide(hits, retrieved, out=np.zeros_like(hits), where=retrieved > 0)
    area = (np.diff(hits, prepend=0.0, axis=1) * precision).sum(axis=1)
    return np.divide(area, hits[:, -1], out=np.full(len(hits), np.nan), where=hits[:, -1] > 0)


def score(task: str, logits: NDArray[Any], labels: NDArray[Any]) -> float:
    """The metric of a task, "single" or "multi", in percent."""
    return top1(logits, labels) if task == "single" else mean_average_precision(logits, labels)
