"""Metrics of clusterings against scikit-learn, and their chance levels."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import completeness_score, homogeneity_score, normalized_mutual_info_score

from tokred.metrics.chance import image_seeds, permute_tokens
from tokred.metrics.clusterings import (
    completeness,
    entropies,
    homogeneity,
    normalized_mutual_information,
)
from tokred.metrics.registry import METRICS

METRICS_OF_CLUSTERINGS = [metric.load() for metric in METRICS.values() if metric.kind == "clusterings"]


def labels(rng: np.random.Generator, clusters: int, images: int = 60, tokens: int = 49) -> NDArray:
    return rng.integers(0, clusters, (images, tokens))


def clusterings() -> dict[str, tuple[NDArray, NDArray]]:
    rng = np.random.default_rng(0)
    fine = labels(rng, 20)
    return {
        "random": (labels(rng, 20), labels(rng, 8)),
        "nested": (fine, fine // 3),
        "one cluster and many": (np.zeros((5, 49), int), labels(rng, 9, 5)),
        "many and one cluster": (labels(rng, 9, 5), np.zeros((5, 49), int)),
        "one and one": (np.zeros((3, 49), int), np.full((3, 49), 7)),
        "every token its own": (np.tile(np.arange(49), (4, 1)), labels(rng, 5, 4)),
        "equal but renamed": (
            labels(rng, 6, 4) * 0 + np.arange(49) % 6,
            5 - np.arange(49) % 6 + np.zeros((4, 1), int),
        ),
        "sparse labels": (labels(rng, 4) * 1000, labels(rng, 6) * 77),
        "more images than a chunk": (labels(rng, 12, 300, 16), labels(rng, 5, 300, 16)),
        "pairs in eight bits": (labels(rng, 15), labels(rng, 15)),
        "pairs in sixteen bits": (labels(rng, 98, 30, 196), labels(rng, 49, 30, 196)),
        "small integers": (
            labels(rng, 98, 30, 196).astype(np.int8),
            labels(rng, 49, 30, 196).astype(np.int8),
        ),
    }


CLUSTERINGS = clusterings()


@pytest.mark.parametrize("case", CLUSTERINGS)
def test_clusterings_against_scikit_learn(case: str) -> None:
    finer, coarser = CLUSTERINGS[case]
    oracles = {
        homogeneity: lambda m1, m2: homogeneity_score(labels_true=m2, labels_pred=m1),
        completeness: lambda m1, m2: completeness_score(labels_true=m2, labels_pred=m1),
        normalized_mutual_information: normalized_mutual_info_score,
    }
    for metric, oracle in oracles.items():
        expected = [oracle(m1, m2) for m1, m2 in zip(finer, coarser, strict=True)]
        np.testing.assert_allclose(metric(entropies(finer, coarser)), expected, atol=1e-10)


def test_labels_that_are_no_cluster_numbers() -> None:
    with pytest.raises(ValueError, match="label 2147483648: expected labels below"):
        entropies(np.array([[0, 2**31]]), np.array([[0, 1]]))


def test_dropped_tokens_are_in_no_cluster() -> None:
    with pytest.raises(ValueError, match=r"dropped tokens \(label -1\)"):
        entropies(np.array([[0, -1]]), np.array([[0, 1]]))
    with pytest.raises(ValueError, match="different shapes"):
        entropies(np.array([[0, 1]]), np.array([[0, 1, 2]]))


@pytest.mark.parametrize(("clusters", "by_chance"), [(49, 0.62), (98, 0.82), (137, 0.91), (176, 0.97)])
def test_chance_level_of_clusterings(clusters: int, by_chance: float, rng: np.random.Generator) -> None:
    """Of two random partitions of 196 tokens into clusters that have a token at least."""
    each, rest = np.tile(np.arange(clusters), (800, 1)), labels(rng, clusters, 800, 196 - clusters)
    rows, others = np.split(rng.permuted(np.concatenate([each, rest], axis=1), axis=1), 2)
    (permuted,) = permute_tokens([rows], image_seeds(0, map(str, range(400))))
    observed = entropies(rows, others)
    assert not observed.degenerate.any()
    found = observed.by_chance(permuted, others)
    assert normalized_mutual_information(found).mean() == pytest.approx(by_chance, abs=0.006)
    for metric in METRICS_OF_CLUSTERINGS:
        np.testing.assert_allclose(metric(found), metric(entropies(permuted, others)), atol=1e-12)


def test_clusterings_that_no_permutation_changes_are_degenerate() -> None:
    one, each = np.zeros(49, int), np.arange(49)
    few, almost_one, almost_each = each % 7, np.eye(49, dtype=int)[0], np.maximum(each, 1)
    cases = [(one, few), (few, one), (one, one), (each, few), (few, each), (few, almost_one)]
    cases += [(almost_each, few), (few, few)]
    a, b = (np.array(side) for side in zip(*cases, strict=True))
    assert entropies(a, b).degenerate.tolist() == [True] * 5 + [False] * 3
