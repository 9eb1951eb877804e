"""Metrics of kept tokens against Python sets, and their expected values against enumeration."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from tokred.metrics.sets import (
    degenerate,
    expected_ioa,
    expected_iou,
    intersection_over_area,
    intersection_over_union,
    pack,
    pack_survivors,
)


@pytest.mark.parametrize("tokens", [1, 5, 63, 64, 65, 196])
def test_sets_against_python(tokens: int, rng: np.random.Generator) -> None:
    a, b = rng.random((2, 40, tokens)) < rng.random((2, 40, 1))
    a[0], b[1] = False, False
    a[2], b[2] = False, False
    ioa, iou = intersection_over_area(a, b), intersection_over_union(a, b)
    for image in range(40):
        first, second = set(np.flatnonzero(a[image])), set(np.flatnonzero(b[image]))
        both, either = len(first & second), len(first | second)
        assert ioa[image] == (both / len(second) if second else 0)
        assert iou[image] == (both / either if either else 0)


@pytest.mark.parametrize("function", [intersection_over_area, intersection_over_union])
def test_sets_of_different_grids(function: Callable[..., NDArray]) -> None:
    """196 and 193 tokens fill equally many words."""
    with pytest.raises(ValueError, match=r"\(1, 196\) and \(1, 193\): expected the same"):
        function(np.ones((1, 196), bool), np.ones((1, 193), bool))


@pytest.mark.parametrize("tokens", [5, 64, 196])
@pytest.mark.parametrize("images", [0, 7, 2500])
def test_packed_sets_are_the_booleans(tokens: int, images: int, rng: np.random.Generator) -> None:
    a, b = rng.integers(0, 4, (2, images, tokens), dtype=np.uint8)
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


def test_expected_values_of_many_images_with_sets_of_any_size(rng: np.random.Generator) -> None:
    """As for ATS, whose number of tokens varies: the mean over images is that of shuffled tokens."""
    a, b = rng.random((2, 20_000, 196)) < rng.random((2, 20_000, 1))
    shuffled = rng.permuted(a, axis=1)
    for value, expected in ((intersection_over_area, expected_ioa), (intersection_over_union, expected_iou)):
        difference = value(shuffled, b) - expected(a, b)
        assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(len(a))


def test_sets_of_all_tokens_or_none_are_degenerate() -> None:
    a = np.array([[1, 1, 1], [1, 0, 1], [0, 0, 0], [1, 0, 0]], bool)
    b = np.array([[1, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 1]], bool)
    assert degenerate(pack(a), pack(b)).tolist() == [True, True, True, False]
