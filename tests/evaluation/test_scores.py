"""Performance measures against scikit-learn's and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from tokred.evaluation import scores


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


def test_standard_error_of_top1_is_the_bootstrap_s() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=150)
    logits = rng.normal(size=(150, 3)) + 0.8 * np.eye(3)[labels]
    right = logits.argmax(axis=1) == labels
    resampled = 100 * rng.choice(right, size=(20_000, 150)).mean(axis=1)
    assert scores.proportion_std_error(scores.top1(logits, labels), 150) == pytest.approx(
        resampled.std(), rel=0.02
    )


@pytest.mark.parametrize("levels", [None, 6])
def test_standard_error_of_map_is_the_bootstrap_s(levels: int | None) -> None:
    rng = np.random.default_rng(1)
    labels = (rng.random((80, 3)) < 0.3).astype(np.uint8)
    logits = rng.normal(size=(80, 3)) + labels
    if levels is not None:
        logits = np.round(logits * levels / 4)
    drawn = [rng.integers(80, size=80) for _ in range(1000)]
    expected = np.std([scores.mean_average_precision(logits[i], labels[i]) for i in drawn])
    found = scores.bootstrap_map_std_error(logits, labels)
    assert found == pytest.approx(expected, rel=0.15)  # 200 draws know it to about 5 %
    assert found == scores.bootstrap_map_std_error(logits, labels), "the same draws every time"


def test_weighted_precision_is_that_of_repeated_images() -> None:
    rng = np.random.default_rng(2)
    values, positive = np.round(rng.normal(size=30), 1), rng.random(30) < 0.4
    weights = rng.integers(0, 4, size=(5, 30))
    for found, repeats in zip(scores._weighted_precision(values, positive, weights), weights, strict=True):
        expected = scores.average_precision(values.repeat(repeats), positive.repeat(repeats))
        assert found == pytest.approx(expected, abs=1e-12)
    assert np.isnan(scores._weighted_precision(values, positive, weights * ~positive)).all()


def test_top1() -> None:
    logits = np.array([[0.1, 0.9, 0.0], [2.0, 1.0, 0.0], [0.0, -1.0, 3.0], [0.5, 0.4, 0.3]])
    labels = np.array([1, 0, 0, 2])
    assert scores.top1(logits, labels) == 50.0
    assert scores.score("single", logits, labels) == 50.0
    assert scores.top1(logits, logits.argmax(axis=1)) == 100.0
    assert scores.METRIC == {"single": "top1", "multi": "map"}
