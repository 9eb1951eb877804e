"""Moments batch by batch: pairs of many models, never all images in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tokred.metrics.moments import Moments, double, usable_norm, whitening


@dataclass
class _Sums:
    """What is known of one model's features: (d,) mean, (d, d) centred products, largest absolute value."""

    mean: NDArray
    products: NDArray
    largest: float = 0.0


@dataclass(frozen=True)
class _Own:
    """Norm of one model's centred features, their products as `Moments` have them, and the directions."""

    norm: float
    normalized: NDArray

    @cached_property
    def directions(self) -> tuple[NDArray, NDArray]:
        """What `whitening` finds in the products."""
        return whitening(self.normalized)


class MomentStream:
    """Second moments of pairs of models over the same images.

    Means and products are merged batch by batch as in Chan, Golub & LeVeque (1983), in double precision:
    nothing cancels, however far features lie from zero. Every model's own products are summed up once,
    however many pairs it is in. Batches of at least d images make the most of each (d, d) update.

    Args:
        pairs: names of the first and the second model of each pair.

    >>> stream = MomentStream([("one", "other")])
    >>> stream.update({"one": np.array([[0.0], [2.0]]), "other": np.array([[5.0], [3.0]])})
    >>> stream.update({"one": np.array([[1.0]]), "other": np.array([[4.0]])})
    >>> stream.moments("one", "other").ab.round(12)
    array([[-1.]])
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._n = 0
        self._pairs = list(pairs)
        self._names = list(dict.fromkeys(name for pair in self._pairs for name in pair))
        self._sums: dict[str, _Sums] = {}
        self._shared: dict[tuple[str, str], NDArray] = {}
        self._own: dict[str, _Own] = {}

    def update(self, features: Mapping[str, NDArray]) -> None:
        """Add a batch of m images: (m, d) features of every model by name, d the model's own.

        Raises:
            ValueError: different numbers of images, or other models than those of the pairs.
        """
        if set(features) != set(self._names):
            raise ValueError(f"features of {sorted(features)}: expected {sorted(self._names)}")
        size = len(features[self._names[0]]) if self._names else 0
        for name, batch in features.items():
            if len(batch) != size:
                raise ValueError(f"{name}: features of {len(batch)} images, expected {size}")
        if not self._sums:
            self._start({name: batch.shape[1] for name, batch in features.items()})
        if not size:
            return
        total = self._n + size
        weight = self._n * size / total
        merged = {name: self._merge(self._sums[name], features[name], total, weight) for name in self._names}
        for first, second in self._pairs:
            (a, shift_a), (b, shift_b) = merged[first], merged[second]
            self._shared[first, second] += a.T @ b + weight * np.outer(shift_a, shift_b)
        self._n = total
        self._own = {}

    def moments(self, first: str, second: str) -> Moments:
        """Moments of a pair of models, A and B, over all images so far.

        Raises ValueError for a pair without features.
        """
        if (first, second) not in self._shared:
            raise ValueError(f"no features of {first!r} and {second!r}: expected one of {self._pairs}")
        a, b = self._own_of(first), self._own_of(second)
        ab = self._shared[first, second] / (a.norm * b.norm)
        return Moments(a.normalized, b.normalized, ab, self._n, self._directions)

    def _start(self, widths: Mapping[str, int]) -> None:
        self._sums = {name: _Sums(np.zeros(d), np.zeros((d, d))) for name, d in widths.items()}
        self._shared = {pair: np.zeros((widths[pair[0]], widths[pair[1]])) for pair in self._pairs}

    @staticmethod
    def _merge(sums: _Sums, features: NDArray, total: int, weight: float) -> tuple[NDArray, NDArray]:
        """Add a batch to a model's sums; the batch centred on its own mean, and that mean's shift."""
        features = double(features)
        mean = features.mean(axis=0)
        centered, shift = features - mean, mean - sums.mean
        sums.products += centered.T @ centered + weight * np.outer(shift, shift)
        sums.mean = sums.mean + shift * (len(features) / total)
        sums.largest = max(sums.largest, float(np.abs(features).max()))
        return centered, shift

    def _own_of(self, name: str) -> _Own:
        """What all pairs of a model need, found once."""
        if name not in self._own:
            sums = self._sums[name]
            norm = usable_norm(np.sqrt(np.trace(sums.products)), sums.largest, self._n * len(sums.mean))
            self._own[name] = _Own(norm, sums.products / norm**2)
        return self._own[name]

    def _directions(self, normalized: NDArray) -> tuple[NDArray, NDArray]:
        (own,) = (own for own in self._own.values() if own.normalized is normalized)
        return own.directions
