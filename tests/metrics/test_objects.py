"""Object recall and purity: against slow loops, and their expected values against random patterns."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tokred.metrics.objects import expected_purity, expected_recall, object_purity, object_recall


def objects_of(rng: np.random.Generator, images: int, tokens: int) -> NDArray:
    """(images, tokens) random booleans, at least one in each image."""
    shown = rng.random((images, tokens)) < rng.uniform(0, 0.6, (images, 1))
    shown[np.arange(images), rng.integers(tokens, size=images)] = True
    return shown


def clusters_of(rng: np.random.Generator, images: int, tokens: int) -> NDArray:
    """(images, tokens) random clusters, some of them empty; -1 for dropped tokens."""
    return rng.integers(-1, rng.integers(1, 12, (images, 1)), (images, tokens)).astype(np.int8)


def slow_recall(kept: NDArray, objects: NDArray) -> list[float]:
    found = []
    for of_image, shown in zip(kept.tolist(), objects.tolist(), strict=True):
        both = [k for k, s in zip(of_image, shown, strict=True) if s]
        found.append(sum(both) / len(both))
    return found


def slow_purity(clusters: NDArray, objects: NDArray) -> list[float]:
    found = []
    for labels, shown in zip(clusters.tolist(), objects.tolist(), strict=True):
        shares = []
        for token, label in enumerate(labels):
            if shown[token]:
                mates = [s for other, s in zip(labels, shown, strict=True) if other == label]
                shares.append(sum(mates) / len(mates) if label >= 0 else 0.0)
        found.append(sum(shares) / len(shares))
    return found


@pytest.mark.parametrize("seed", range(5))
def test_values_are_those_of_slow_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    objects = objects_of(rng, 40, 25)
    kept, clusters = rng.random((40, 25)) < 0.5, clusters_of(rng, 40, 25)
    np.testing.assert_allclose(object_recall(kept, objects), slow_recall(kept, objects))
    np.testing.assert_allclose(object_purity(clusters, objects), slow_purity(clusters, objects))


def test_expected_values_are_those_of_random_permutations() -> None:
    rng = np.random.default_rng(0)
    objects = objects_of(rng, 6, 25)
    kept, clusters = rng.random((6, 25)) < 0.4, clusters_of(rng, 6, 25)
    for compute, expected, patterns in (
        (object_recall, expected_recall, kept),
        (object_purity, expected_purity, clusters),
    ):
        found = [compute(np.repeat(patterns, 2000, 0), rng.permuted(np.repeat(objects, 2000, 0), axis=1))]
        means = found[0].reshape(6, 2000)
        error = means.std(axis=1) / np.sqrt(2000)
        assert (np.abs(means.mean(axis=1) - expected(patterns, objects)) < 4 * error + 1e-12).all()


def test_limits_of_purity() -> None:
    objects = objects_of(np.random.default_rng(1), 8, 16)
    one, each = np.zeros((8, 16), int), np.tile(np.arange(16), (8, 1))
    np.testing.assert_allclose(object_purity(one, objects), objects.mean(axis=1))
    np.testing.assert_allclose(expected_purity(one, objects), objects.mean(axis=1))
    np.testing.assert_array_equal(object_purity(each, objects), 1)
    np.testing.assert_allclose(expected_purity(each, objects), 1)
    np.testing.assert_array_equal(object_purity(objects.astype(int), objects), 1)
    np.testing.assert_array_equal(object_purity(np.full((8, 16), -1), objects), 0)


@pytest.mark.parametrize("compute", [object_recall, expected_recall, object_purity, expected_purity])
def test_images_without_an_object_are_refused(compute: object) -> None:
    objects = np.array([[True, False], [False, False]])
    with pytest.raises(ValueError, match="1 images have no token that shows an object; expected none such"):
        compute(np.zeros((2, 2), bool), objects)
    with pytest.raises(ValueError, match=r"patterns of shape \(2, 3\) and objects of \(2, 2\): expected the"):
        compute(np.zeros((2, 3), bool), objects)
