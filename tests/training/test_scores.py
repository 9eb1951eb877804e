"""Performance measures against scikit-learn's and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from tokred.training import scores


@pytest.mark.parametrize("levels", [None, 2, 5, 20])
@pytest.mark.parametrize("count", [1, 2, 17, 300])
def test_average_precision(count: int, levels: int | None) -> None:
    rng = np.random.default_rng(count)
    for share in (0.05, 0.5, 1.0):
        values = rng.normal(size=count) if levels is None else rng.integers(levels, size=count) / 7
        positive = rng.random(count) < share
        positive[rng.integers(count)] = True
        expected = average_precision_score(positive, values)
        assert scores.average_precision(values, positive) == pytest.approx(expected, abs=1e-12)


def test_average_precision_by_hand() -> None:
    positive = np.array([True, False, True, False])
    ranked = scores.average_precision(np.array([0.9, 0.8, 0.7, 0.6]), positive)
    assert ranked == pytest.approx((1 + 2 / 3) / 2)
    # the second and third share a threshold: precision 2/3 there, whatever their order
    for order in ([0, 1, 2, 3], [0, 2, 1, 3]):
        tied = scores.average_precision(np.array([0.9, 0.7, 0.7, 0.6])[order], positive[order])
        assert tied == pytest.approx((1 + 2 / 3) / 2)
    assert scores.average_precision(np.zeros(4), positive) == pytest.approx(0.5)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_mean_average_precision(kind: type) -> None:
    rng = np.random.default_rng(0)
    logits = np.round(rng.normal(size=(120, 6)), 1).astype(np.float32)
    labels = (rng.random((120, 6)) < 0.3).astype(kind)
    expected = 100 * average_precision_score(labels, logits, average="macro")
    assert scores.mean_average_precision(logits, labels) == pytest.approx(expected, abs=1e-9)
    assert scores.score("multi", logits, labels) == pytest.approx(expected, abs=1e-9)


def test_absent_classes_are_left_out() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(50, 4))
    labels = (rng.random((50, 4)) < 0.4).astype(np.uint8)
    labels[:, [0, 2]] = 0
    expected = 100 * average_precision_score(labels[:, [1, 3]], logits[:, [1, 3]], average="macro")
    assert scores.mean_average_precision(logits, labels) == pytest.approx(expected, abs=1e-9)


def test_no_positive_at_all() -> None:
    with pytest.raises(ValueError, match="no class has a positive image"):
        scores.mean_average_precision(np.zeros((3, 2)), np.zeros((3, 2)))


def test_top1() -> None:
    logits = np.array([[0.1, 0.9, 0.0], [2.0, 1.0, 0.0], [0.0, -1.0, 3.0], [0.5, 0.4, 0.3]])
    labels = np.array([1, 0, 0, 2])
    assert scores.top1(logits, labels) == 50.0
    assert scores.score("single", logits, labels) == 50.0
    assert scores.top1(logits, logits.argmax(axis=1)) == 100.0
    assert scores.METRIC == {"single": "top1", "multi": "map"}
