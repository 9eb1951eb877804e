"""Calibration error against a loop over bins and images, and against known values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from tokred.metrics.calibration import calibration_error, confidence, error_if_calibrated


def slow_error(confidences: np.ndarray, correct: np.ndarray, bins: int) -> float:
    """Guo et al. (2017), equation 3, bin by bin."""
    total = 0.0
    for index in range(bins):
        low, high = index / bins, (index + 1) / bins
        members = [i for i, c in enumerate(confidences) if low < c <= high or (index == 0 and c == 0)]
        if members:
            accuracy = sum(bool(correct[i]) for i in members) / len(members)
            mean = sum(float(confidences[i]) for i in members) / len(members)
            total += len(members) / len(confidences) * abs(accuracy - mean)
    return total


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_error_is_that_of_a_loop(bins: int, rng: np.random.Generator) -> None:
    confidences = np.concatenate([rng.random(200), np.arange(bins + 1) / bins])
    correct = rng.random(len(confidences)) < 0.6
    found = calibration_error(confidences, correct, bins)
    assert found == pytest.approx(slow_error(confidences, correct, bins), abs=1e-12)


def test_known_errors() -> None:
    right = np.array([True, True, True, False])
    assert calibration_error(np.full(4, 0.75), right) == pytest.approx(0)
    assert calibration_error(np.full(4, 1.0), right) == pytest.approx(0.25)
    assert calibration_error(np.full(4, 0.1), right) == pytest.approx(0.65)
    # two bins that err in opposite directions do not cancel, as they do in one bin
    opposite = np.array([0.8, 0.8, 0.2, 0.2])
    assert calibration_error(opposite, np.array([True, False, True, False])) == pytest.approx(0.3)
    assert calibration_error(opposite, np.array([True, False, True, False]), bins=1) == pytest.approx(0)


def test_confidence_is_the_largest_probability(rng: np.random.Generator) -> None:
    logits = rng.normal(scale=20, size=(50, 7)).astype(np.float32)
    np.testing.assert_allclose(confidence(logits), softmax(logits.astype(float), axis=1).max(axis=1))
    assert confidence(np.array([[1000.0, -1000.0]])).tolist() == [1.0]


def test_error_of_a_calibrated_model() -> None:
    """In one bin the number of hits is binomial: its mean absolute deviation is known."""
    from scipy.stats import binom

    count = 40
    hits = np.arange(count + 1)
    expected = (binom.pmf(hits, count, 0.7) * np.abs(hits / count - 0.7)).sum()
    assert error_if_calibrated(np.full(count, 0.7)) == pytest.approx(expected, rel=0.2)
    assert error_if_calibrated(np.full(count, 0.7)) == error_if_calibrated(np.full(count, 0.7))
    assert error_if_calibrated(np.full(100 * count, 0.7)) < expected / 8


def test_calibrated_predictions_have_the_error_to_expect(rng: np.random.Generator) -> None:
    confidences = rng.uniform(0.2, 1, 5000)
    found = calibration_error(confidences, rng.random(5000) < confidences)
    assert found == pytest.approx(error_if_calibrated(confidences), rel=0.6)
    assert calibration_error(confidences, rng.random(5000) < confidences - 0.1) > 4 * found


@pytest.mark.parametrize(
    ("confidences", "correct", "message"),
    [
        ([], [], r"expected \(n,\) confidences and \(n,\) booleans, found \(0,\) and \(0,\)"),
        ([0.5], [True, False], r"found \(1,\) and \(2,\)"),
        ([0.5, 1.5], [True, False], r"expected confidences in \[0, 1\], found 0.5 to 1.5"),
        ([np.nan], [True], r"expected confidences in \[0, 1\], found nan to nan"),
    ],
)
def test_wrong_arguments(confidences: list, correct: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        calibration_error(np.array(confidences), np.array(correct))
