"""Metrics of kept sets and of clusterings against Python sets and scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import completeness_score, homogeneity_score, normalized_mutual_info_score

from tokred.metrics.clusterings import clustering_scores, scores_with_chance
from tokred.metrics.completeness import completeness
from tokred.metrics.homogeneity import homogeneity
from tokred.metrics.ioa import expected_ioa, intersection_over_area
from tokred.metrics.iou import expected_iou, intersection_over_union
from tokred.metrics.lower_bounds import ioa_lower_bound, iou_lower_bound
from tokred.metrics.nmi import normalized_mutual_information
from tokred.metrics.permutations import image_seeds, permute_tokens
from tokred.metrics.registry import METRICS
from tokred.metrics.sets import degenerate, pack, pack_survivors

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


@pytest.mark.parametrize("tokens", [1, 5, 7])
def test_expected_ioa_and_iou_are_the_means_over_all_sets(tokens: int) -> None:
    """Every size of both sets, the first fixed and the second every set of its size."""
    for size_a in range(tokens + 1):
        a = np.arange(tokens) < size_a
        for size_b in range(tokens + 1):
            b = np.array([np.isin(np.arange(tokens), c) for c in combinations(range(tokens), size_b)])
            all_a = np.tile(a, (len(b), 1))
            for value, expected in (
                (intersection_over_area, expected_ioa),
                (intersection_over_union, expected_iou),
            ):
                np.testing.assert_allclose(expected(all_a, b), value(all_a, b).mean(), atol=1e-12)


def test_expected_values_of_many_images_with_sets_of_any_size() -> None:
    """As for ATS, whose number of tokens varies: the mean over images is that of shuffled tokens."""
    a, b = RNG.random((2, 20_000, 196)) < RNG.random((2, 20_000, 1))
    shuffled = RNG.permuted(a, axis=1)
    for value, expected in ((intersection_over_area, expected_ioa), (intersection_over_union, expected_iou)):
        difference = value(shuffled, b) - expected(a, b)
        assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(len(a))


def test_sets_of_all_tokens_or_none_are_degenerate() -> None:
    a = np.array([[1, 1, 1], [1, 0, 1], [0, 0, 0], [1, 0, 0]], bool)
    b = np.array([[1, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 1]], bool)
    assert degenerate(pack(a), pack(b)).tolist() == [True, True, True, False]


def test_permutations_depend_on_seed_and_image_alone() -> None:
    ids = [f"image {number}" for number in range(300)]
    stages = [labels(40, 300, 64).astype(np.int8), labels(9, 300, 64).astype(np.int8)]
    found = permute_tokens(stages, image_seeds(5, ids))
    backwards = permute_tokens([stage[::-1] for stage in stages], image_seeds(5, ids[::-1]))
    alone = permute_tokens([stage[17:18] for stage in stages], image_seeds(5, ids[17:18]))
    for stage, first, second, third in zip(stages, found, backwards, alone, strict=True):
        assert first.dtype == stage.dtype
        np.testing.assert_array_equal(np.sort(first, axis=1), np.sort(stage, axis=1))
        np.testing.assert_array_equal(first, second[::-1])
        np.testing.assert_array_equal(first[17:18], third)
    assert (permute_tokens(stages, image_seeds(6, ids))[0] != found[0]).any(axis=1).all()
    pairs = 40 * stages[1] + stages[0]  # all stages of an image are permuted alike
    np.testing.assert_array_equal(np.sort(40 * found[1] + found[0], axis=1), np.sort(pairs, axis=1))


def test_permutations_are_uniform() -> None:
    """Every token goes everywhere equally often."""
    places = np.tile(np.arange(6), (60_000, 1))
    (found,) = permute_tokens([places], image_seeds(0, map(str, range(60_000))))
    counts = np.array([np.bincount(column, minlength=6) for column in found.T])
    assert np.abs(counts - 10_000).max() < 4.5 * np.sqrt(10_000 * 5 / 6)


@pytest.mark.parametrize(("clusters", "by_chance"), [(49, 0.62), (98, 0.82), (137, 0.91), (176, 0.97)])
def test_chance_level_of_clusterings(clusters: int, by_chance: float) -> None:
    """Of two random partitions of 196 tokens into clusters that have a token at least."""
    each, rest = np.tile(np.arange(clusters), (800, 1)), labels(clusters, 800, 196 - clusters)
    rows, others = np.split(RNG.permuted(np.concatenate([each, rest], axis=1), axis=1), 2)
    (permuted,) = permute_tokens([rows], image_seeds(0, map(str, range(400))))
    found = scores_with_chance(rows, others, permuted)
    assert found.chance["nmi"].mean() == pytest.approx(by_chance, abs=0.006)
    assert not found.degenerate.any()
    for name, values in clustering_scores(rows, others).items():
        np.testing.assert_array_equal(found.values[name], values)
    for name, values in clustering_scores(permuted, others).items():
        np.testing.assert_allclose(found.chance[name], values, atol=1e-12)


def test_clusterings_that_no_permutation_changes_are_degenerate() -> None:
    one, each = np.zeros(49, int), np.arange(49)
    few, almost_one, almost_each = each % 7, np.eye(49, dtype=int)[0], np.maximum(each, 1)
    cases = [(one, few), (few, one), (one, one), (each, few), (few, each), (few, almost_one)]
    cases += [(almost_each, few), (few, few)]
    a, b = (np.array(side) for side in zip(*cases, strict=True))
    found = scores_with_chance(a, b, a).degenerate
    assert found.tolist() == [True] * 5 + [False] * 3
