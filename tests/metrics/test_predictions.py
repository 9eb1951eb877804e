"""Agreement of predictions, against sets of labels and scikit-learn's top-k."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import top_k_accuracy_score

from tokred.metrics.predictions import label_agreement, top_labels

A, B = np.random.default_rng(0).normal(size=(2, 200, 7))


def test_with_one_label_it_is_the_same_top_1() -> None:
    ones = np.ones(200, dtype=int)
    np.testing.assert_array_equal(label_agreement(A, B, ones), A.argmax(axis=1) == B.argmax(axis=1))


def test_with_several_labels_it_is_the_intersection_of_sets() -> None:
    counts = np.random.default_rng(1).integers(1, 8, 200)
    expected = [
        len({*np.argsort(-a)[:k]} & {*np.argsort(-b)[:k]}) / k for a, b, k in zip(A, B, counts, strict=True)
    ]
    np.testing.assert_allclose(label_agreement(A, B, counts), expected)
    assert label_agreement(A, B, np.full(200, 7)).tolist() == [1.0] * 200


def test_top_labels_hold_the_label_as_often_as_top_k_accuracy_says() -> None:
    labels = np.random.default_rng(2).integers(0, 7, 200)
    found = top_labels(A, np.full(200, 3))[np.arange(200), labels].mean()
    assert found == top_k_accuracy_score(labels, A, k=3, labels=np.arange(7))


def test_equal_logits_prefer_the_earlier_label_whatever_their_number() -> None:
    level = np.zeros((2, 4))
    assert top_labels(level, np.array([1, 1])).argmax(axis=1).tolist() == [0, 0]
    assert top_labels(level, np.array([1, 3])).sum(axis=0).tolist() == [2, 1, 1, 0]


def test_wrong_input() -> None:
    with pytest.raises(ValueError, match=r"shape \(200, 7\) and \(200, 6\): expected the same"):
        label_agreement(A, B[:, :6], np.ones(200, dtype=int))
    with pytest.raises(ValueError, match="images with 0 labels: expected at least 1"):
        label_agreement(A, B, np.zeros(200, dtype=int))
