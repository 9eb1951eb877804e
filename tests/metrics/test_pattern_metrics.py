"""Metrics of kept sets and of clusterings against Python sets and scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import completeness_score, homogeneity_score, normalized_mutual_info_score

from tokred.metrics.clusterings import clustering_scores
from tokred.metrics.completeness import completeness
from tokred.metrics.homogeneity import homogeneity
from tokred.metrics.ioa import intersection_over_area
from tokred.metrics.iou import intersection_over_union
from tokred.metrics.lower_bounds import ioa_lower_bound, iou_lower_bound
from tokred.metrics.nmi import normalized_mutual_information
from tokred.metrics.registry import METRICS
from tokred.metrics.sets import pack, pack_survivors

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("tokens", [1, 5, 63, 64, 65, 196])
def test_sets_against_python(tokens: int) -> None:
    a, b = RNG.random((2, 40, tokens)) < RNG.random((2, 40, 1))
    a[0], b[1] = False, False
    a[2], b[2] = False, False
    ioa, iou = intersection_over_area(a, b), intersection_over_union(a, b)
    for image in range(40):
        first, second = set(np.flatnonzero(a[image])), set(np.flatnonzero(b[image]))
        both, either = len(first & second), len(first | second)
        assert ioa[image] == (both / len(second) if second else 0)
        assert iou[image] == (both / either if either else 0)


def labels(clusters: int, images: int = 60, tokens: int = 49) -> NDArray:
    return RNG.integers(0, clusters, (images, tokens))


CLUSTERINGS = {
    "random": (labels(20), labels(8)),
    "nested": ((fine := labels(20)), fine // 3),
    "one cluster and many": (np.zeros((5, 49), int), labels(9, 5)),
    "many and one cluster": (labels(9, 5), np.zeros((5, 49), int)),
    "one and one": (np.zeros((3, 49), int), np.full((3, 49), 7)),
    "every token its own": (np.tile(np.arange(49), (4, 1)), labels(5, 4)),
    "equal but renamed": (
        labels(6, 4) * 0 + np.arange(49) % 6,
        5 - np.arange(49) % 6 + np.zeros((4, 1), int),
    ),
    "sparse labels": (labels(4) * 1000, labels(6) * 77),
    "more images than a chunk": (labels(12, 300, 16), labels(5, 300, 16)),
    "pairs in eight bits": (labels(15), labels(15)),
    "pairs in sixteen bits": (labels(98, 30, 196), labels(49, 30, 196)),
    "small integers": (labels(98, 30, 196).astype(np.int8), labels(49, 30, 196).astype(np.int8)),
}


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
        np.testing.assert_allclose(metric(finer, coarser), expected, atol=1e-10)


def test_all_scores_at_once() -> None:
    finer, coarser = CLUSTERINGS["random"]
    found = clustering_scores(finer, coarser)
    assert list(found) == [name for name, metric in METRICS.items() if metric.kind == "clusterings"]
    for name, values in found.items():
        np.testing.assert_array_equal(values, METRICS[name].load()(finer, coarser))


def test_labels_that_are_no_cluster_numbers() -> None:
    with pytest.raises(ValueError, match="label 2147483648: expected labels below"):
        homogeneity(np.array([[0, 2**31]]), np.array([[0, 1]]))


@pytest.mark.parametrize("function", [intersection_over_area, intersection_over_union])
def test_sets_of_different_grids(function: Callable[..., NDArray]) -> None:
    """196 and 193 tokens fill equally many words."""
    with pytest.raises(ValueError, match=r"\(1, 196\) and \(1, 193\): expected the same"):
        function(np.ones((1, 196), bool), np.ones((1, 193), bool))


def test_dropped_tokens_are_in_no_cluster() -> None:
    with pytest.raises(ValueError, match=r"dropped tokens \(label -1\)"):
        homogeneity(np.array([[0, -1]]), np.array([[0, 1]]))
    with pytest.raises(ValueError, match="different shapes"):
        homogeneity(np.array([[0, 1]]), np.array([[0, 1, 2]]))


@pytest.mark.parametrize("tokens", [6, 8])
@pytest.mark.parametrize(
    ("r1", "r2"), [("0.90", "0.75"), ("0.90", "0.90"), ("0.75", "0.50"), ("0.50", "0.50")]
)
def test_lower_bounds_are_what_enumeration_finds(tokens: int, r1: str, r2: str) -> None:
    """Over all pairs of subsets; the union of least overlap is everything exactly where they must overlap."""
    size1, size2 = int(tokens * float(r1)), int(tokens * float(r2))
    pairs = [
        (set(a), set(b))
        for a in combinations(range(tokens), size1)
        for b in combinations(range(tokens), size2)
    ]
    assert ioa_lower_bound(tokens, r1, r2, 1) == min(len(a & b) / len(b) for a, b in pairs)
    assert iou_lower_bound(tokens, r1, r2, 1) == min(len(a & b) / len(a | b) for a, b in pairs)


def test_lower_bounds_of_the_paper() -> None:
    found = [ioa_lower_bound(196, "0.90", "0.70", stage) for stage in (1, 2, 3)]
    assert found == [(176 + 137 - 196) / 137, (158 + 96 - 196) / 96, (142 + 67 - 196) / 67]
    assert iou_lower_bound(196, "0.50", "0.50", 1) == 0


@pytest.mark.parametrize("tokens", [5, 64, 196])
@pytest.mark.parametrize("images", [0, 7, 2500])
def test_packed_sets_are_the_booleans(tokens: int, images: int) -> None:
    a, b = RNG.integers(0, 4, (2, images, tokens), dtype=np.uint8)
    for stage in (1, 2, 3):
        first, second = pack_survivors(a, stage), pack_survivors(b, stage)
        np.testing.assert_array_equal(first.sizes, (a >= stage).sum(axis=1))
        for metric in (intersection_over_area, intersection_over_union):
            np.testing.assert_array_equal(metric(first, second), metric(a >= stage, b >= stage))


def test_packed_sets_of_different_shapes() -> None:
    kept = np.ones((3, 60), bool)
    with pytest.raises(ValueError, match=r"shapes \(3, 60\) and \(3, 61\)"):
        intersection_over_union(pack(kept), np.ones((3, 61), bool))
