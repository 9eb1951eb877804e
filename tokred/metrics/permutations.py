"""Random permutations of the tokens of images: what agreement of patterns is by chance."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

#: Images permuted at a time: larger arrays leave the processor's cache.
_CHUNK = 128
#: Constants of SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators").
_STEP, _MIX = 0x9E3779B97F4A7C15, ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


def image_seeds(seed: int, image_ids: Iterable[str]) -> NDArray:
    """(n,) uint64 seeds, one for each image: an image has the same seed in whatever order images come.

    Args:
        seed: below 2^64.
    """
    key = seed.to_bytes(8, "little")
    digests = (hashlib.blake2b(name.encode(), digest_size=8, key=key).digest() for name in image_ids)
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def permute_tokens(labelings: Sequence[NDArray], seeds: NDArray) -> list[NDArray]:
    """Labels with the tokens of each image permuted at random; all labelings of an image in the same way.

    The permutations depend on the seeds alone: not on the machine, on NumPy's version, or on other images.

    Args:
        labelings: (n, P) labels each, such as the clusters of every stage.
        seeds: (n,) uint64, what `image_seeds` returns.

    >>> labels = np.array([[0, 1, 2, 3, 4, 5]])
    >>> permute_tokens([labels, 10 * labels], np.array([7], dtype=np.uint64))
    [array([[1, 5, 0, 4, 3, 2]]), array([[10, 50,  0, 40, 30, 20]])]
    """
    permuted = [np.empty_like(labels) for labels in labelings]
    for start in range(0, len(seeds), _CHUNK):
        part = slice(start, start + _CHUNK)
        order = np.argsort(_random(seeds[part], labelings[0].shape[1]), axis=1)
        for found, labels in zip(permuted, labelings, strict=True):
            found[part] = np.take_along_axis(labels[part], order, axis=1)
    return permuted


def _random(seeds: NDArray, count: int) -> NDArray:
    """(n, count) pseudorandom uint64 numbers: the streams of SplitMix64 from each seed."""
    state = seeds[:, None] + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_STEP)
    for shift, factor in _MIX:
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    return state ^ (state >> np.uint64(31))
