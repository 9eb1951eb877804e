"""Chance levels of the agreement of patterns.

IoA, IoU, Homogeneity and NMI of unrelated patterns are not 0: two random partitions of 196 tokens into 98
clusters each have an NMI of 0.82, two random sets an IoA of K1 / P. The chance level of a comparison is the
value that it would have if the tokens of one of the two patterns were permuted at random within the image:
for sets the expected value, which is a formula (`Metric.expected`), for clusterings that of one permutation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tokred.metrics.chunks import chunks

if TYPE_CHECKING:  # comparisons of patterns do not need pandas
    import pandas as pd

#: Constants of SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators").
_STEP, _MIX = 0x9E3779B97F4A7C15, ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


def chance_adjusted(value: pd.Series, chance: pd.Series) -> pd.Series:
    """(value - chance) / (1 - chance): 0 for unrelated patterns, 1 for equal ones; NaN where chance is 1.

    The scale is the same for all metrics whose largest value is 1, as that of the adjusted Rand index.

    >>> import pandas as pd
    >>> chance_adjusted(pd.Series([0.9, 0.8, 1.0]), pd.Series([0.8, 0.8, 1.0])).round(3).tolist()
    [0.5, 0.0, nan]
    """
    room = (1 - chance).where(chance < 1, np.nan)
    return (value - chance) / room


def image_seeds(seed: int, image_ids: Iterable[str]) -> NDArray[Any]:
    """(n,) uint64 seeds, one for each image: an image keeps its seed when the order of images changes.

    Args:
        seed: below 2^64.
    """
    key = seed.to_bytes(8, "little")
    digests = (hashlib.blake2b(name.encode(), digest_size=8, key=key).digest() for name in image_ids)
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def permute_tokens(labelings: Sequence[NDArray[Any]], seeds: NDArray[Any]) -> list[NDArray[Any]]:
    """Labels with the tokens of each image permuted at random, in the same way in all labelings.

    The permutations depend only on the seeds: not on the machine, NumPy's version, or other images.

    Args:
        labelings: (n, P) labels each, such as the clusters of every stage.
        seeds: (n,) uint64, as returned by `image_seeds`.

    >>> labels = np.array([[0, 1, 2, 3, 4, 5]])
    >>> permute_tokens([labels, 10 * labels], np.array([7], dtype=np.uint64))
    [array([[1, 5, 0, 4, 3, 2]]), array([[10, 50,  0, 40, 30, 20]])]
    """
    permuted = [np.empty_like(labels) for labels in labelings]
    for part in chunks(len(seeds)):
        order = np.argsort(random_bits(seeds[part], labelings[0].shape[1]), axis=1)
        for target, labels in zip(permuted, labelings, strict=True):
            target[part] = np.take_along_axis(labels[part], order, axis=1)
    return permuted


def random_bits(seeds: NDArray[Any], count: int) -> NDArray[Any]:
    """(n, count) pseudorandom uint64 numbers: the sequence of SplitMix64 from each seed.

    Args:
        seeds: (n,) uint64, as returned by `image_seeds`.
        count: numbers for each seed.
    """
    state = seeds[:, None] + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_STEP)
    for shift, factor in _MIX:
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    return state ^ (state >> np.uint64(31))
