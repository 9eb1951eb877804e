"""Random permutations of tokens: reproducible and uniform."""

from __future__ import annotations

import numpy as np

from tokred.metrics.chance import image_seeds, permute_tokens


def test_permutations_depend_on_seed_and_image_alone(rng: np.random.Generator) -> None:
    ids = [f"image {number}" for number in range(300)]
    stages = [rng.integers(0, 40, (300, 64)).astype(np.int8), rng.integers(0, 9, (300, 64)).astype(np.int8)]
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
