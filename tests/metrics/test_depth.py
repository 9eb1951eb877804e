"""Depth maps and actual keep rates against loops."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tokred.metrics.depth import block_counts, count_levels
from tokred.statistics.correlation import spearman

BLOCKS = block_counts((3, 6, 9), 12)


def test_tokens_of_equal_depth_stay_equal(rng: np.random.Generator) -> None:
    """Ten images: depths that agree as whole numbers must not differ by rounding, as ranks would tell."""
    maps = []
    for _ in range(2):
        survived = rng.integers(0, 4, (10, 196))
        maps.append((count_levels(survived, 4).depth_map(BLOCKS), survived))
    exact = [np.array([3, 6, 9, 12])[survived].sum(axis=0) for _, survived in maps]
    assert [len(np.unique(found)) for found, _ in maps] == [len(np.unique(total)) for total in exact]
    expected = stats.spearmanr(*exact).statistic
    assert spearman(maps[0][0], maps[1][0]) == pytest.approx(expected, abs=1e-12)


def test_actual_keep_rate(rng: np.random.Generator) -> None:
    survived = rng.integers(0, 4, (9, 12)).astype(np.uint8)
    for stage in (1, 2, 3):
        expected = [sum(level >= stage for level in image) / 12 for image in survived.tolist()]
        np.testing.assert_allclose(count_levels(survived, 4).actual_keep_rate(stage), expected)


def test_depth_against_a_loop(rng: np.random.Generator) -> None:
    survived = rng.integers(0, 4, (9, 12)).astype(np.uint8)
    depth = [[(3, 6, 9, 12)[level] for level in image] for image in survived]
    counts = count_levels(survived, 4)
    np.testing.assert_allclose(counts.depth_map(BLOCKS), np.mean(depth, axis=0))
    np.testing.assert_allclose(counts.mean_depth(BLOCKS), np.mean(depth, axis=1))


def test_counts_of_many_images(rng: np.random.Generator) -> None:
    """More than are counted at a time."""
    survived = rng.integers(0, 4, (1200, 196)).astype(np.uint8)
    counts = count_levels(survived, 4)
    np.testing.assert_array_equal(counts.per_token, [(survived == level).sum(axis=0) for level in range(4)])
    np.testing.assert_array_equal(counts.per_image, [(survived == level).sum(axis=1) for level in range(4)])
    for stage in (1, 2, 3):
        np.testing.assert_array_equal(counts.actual_keep_rate(stage), (survived >= stage).mean(axis=1))
