"""Calibration of predictions: is a model right as often as it is confident?

The confidence of a prediction is its softmax probability. Measured on a finite number of images, even a
perfectly calibrated model has a calibration error above 0, and the more so the fewer images and the less
confident it is; `error_if_calibrated` is what such a model would show.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Number of bins of equal width, as Guo et al. (2017) have it.
BINS = 15
#: Number of resamples of `error_if_calibrated`.
RESAMPLES = 200


def confidence(logits: NDArray[Any]) -> NDArray[np.float64]:
    """(n,) largest softmax probability of (n, C) logits.

    >>> confidence(np.log([[0.2, 0.8], [0.5, 0.5]])).round(3)
    array([0.8, 0.5])
    """
    values = logits.astype(np.float64)
    return 1 / np.exp(values - values.max(axis=1, keepdims=True)).sum(axis=1)


def calibration_error(confidences: NDArray[Any], correct: NDArray[Any], bins: int = BINS) -> float:
    """Expected calibration error (Guo et al. 2017): sum over bins of (n_b / n) |accuracy - mean confidence|.

    Args:
        confidences: (n,) in [0, 1], at least one.
        correct: (n,) booleans, whether the prediction is right.
        bins: number of bins (i / bins, (i + 1) / bins] of the confidence, with 0 in the first.

    Returns:
        A value in [0, 1]; 0 is calibrated.

    Raises:
        ValueError: no images, other shapes, or confidences outside of [0, 1].

    >>> calibration_error(np.array([0.75, 0.75, 0.75, 0.75]), np.array([True, True, True, False]))
    0.0
    >>> calibration_error(np.array([0.9, 0.9]), np.array([True, False])).__round__(3)
    0.4
    """
    return _error(confidences, _bins(confidences, correct.shape, bins), correct, bins)


def error_if_calibrated(confidences: NDArray[Any], bins: int = BINS) -> float:
    """The calibration error to expect of a perfectly calibrated model with the same confidences.

    The mean over `RESAMPLES` draws in which each prediction is right with the probability that its confidence
    states (consistency resampling, Bröcker and Smith 2007). The draws have a fixed seed.

    Args and errors as of `calibration_error`.

    >>> error_if_calibrated(np.ones(5))
    0.0
    """
    index, rng = _bins(confidences, confidences.shape, bins), np.random.default_rng(0)
    draws = (rng.random(len(confidences)) < confidences for _ in range(RESAMPLES))
    return float(np.mean([_error(confidences, index, correct, bins) for correct in draws]))


def _bins(confidences: NDArray[Any], shape: tuple[int, ...], bins: int) -> NDArray[np.int64]:
    """(n,) bin of each prediction."""
    if confidences.shape != shape or confidences.ndim != 1 or len(confidences) == 0:
        raise ValueError(
            f"expected (n,) confidences and (n,) booleans, found {confidences.shape} and {shape}"
        )
    if not ((confidences >= 0) & (confidences <= 1)).all():
        raise ValueError(
            f"expected confidences in [0, 1], found {confidences.min():g} to {confidences.max():g}"
        )
    return np.maximum(np.ceil(confidences * bins).astype(np.int64) - 1, 0)


def _error(confidences: NDArray[Any], index: NDArray[Any], correct: NDArray[Any], bins: int) -> float:
    """Sum over bins of |number right - sum of confidences|, per image."""
    excess = np.bincount(index, weights=correct - confidences, minlength=bins)
    return float(np.abs(excess).sum() / len(confidences))
