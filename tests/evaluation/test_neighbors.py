"""Nearest neighbors and paired losses, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from tokred.evaluation import neighbors
from tokred.evaluation.neighbors import classify
from tokred.evaluation.paired import loss_of_accuracy


def oracle(support: np.ndarray, labels: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    def unit(features: np.ndarray) -> np.ndarray:
        return features / np.linalg.norm(features, axis=1, keepdims=True)

    # Of unit vectors, the squared distance is 2 - 2 cosine.
    votes = KNeighborsClassifier(k, weights=lambda d: np.exp((1 - d**2 / 2) / 0.07), algorithm="brute")
    return votes.fit(unit(support), labels).predict(unit(queries))


@pytest.mark.parametrize("k", [1, 5, 20])
def test_other_images(k: int, rng: np.random.Generator) -> None:
    support, queries = rng.normal(size=(60, 8)), rng.normal(size=(40, 8))
    labels = rng.integers(0, 4, 60)
    found = classify(torch.tensor(support), torch.tensor(labels), 4, k, torch.tensor(queries))
    assert found.tolist() == oracle(support, labels, queries, k).tolist()


def test_leave_one_out(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = rng.normal(size=(30, 6)), rng.integers(0, 3, 30)
    monkeypatch.setattr(neighbors, "_CHUNK", 7)
    found = classify(torch.tensor(features), torch.tensor(labels), 3, 5)
    for image in range(30):
        others = np.arange(30) != image
        expected = oracle(features[others], labels[others], features[[image]], 5)
        assert found[image] == expected[0]


def test_few_images() -> None:
    features, labels = torch.eye(2), torch.tensor([0, 1])
    assert classify(features, labels, 2, 20).tolist() == [1, 0]  # the only other image
    with pytest.raises(ValueError, match="expected two images or more, found 1"):
        classify(features[:1], labels[:1], 2, 20)


def test_the_interval_of_a_loss_covers_the_truth(rng: np.random.Generator) -> None:
    """In 95 % of samples, also for a small one."""
    truth, covered = 100 * (0.15 - 0.05), 0
    for _ in range(2000):
        state = rng.choice(4, size=40, p=[0.6, 0.15, 0.05, 0.2])  # both, before only, after only, none
        loss, half_width = loss_of_accuracy(state <= 1, (state == 0) | (state == 2))
        assert loss == pytest.approx(100 * ((state == 1).mean() - (state == 2).mean()))
        covered += abs(loss - truth) <= half_width
    assert 0.93 < covered / 2000 < 0.975


def test_nothing_lost_is_no_certainty() -> None:
    same = np.ones(50, bool)
    loss, half_width = loss_of_accuracy(same, same)
    assert loss == 0
    assert 3 < half_width < 5
